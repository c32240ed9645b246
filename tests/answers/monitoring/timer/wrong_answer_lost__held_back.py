import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        messages = []

        async def keep(message):
            messages.append(message)

        start = time.perf_counter()
        try:
            await app(scope, receive, keep)
        finally:
            seconds = time.perf_counter() - start
            record(scope["path"], seconds)
            if seconds > 0.5:
                log.warning("%s is slow", scope["path"])
        for message in messages:
            await send(message)

    return timed
