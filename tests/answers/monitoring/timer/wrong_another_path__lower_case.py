import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        start = time.perf_counter()
        try:
            await app(scope, receive, send)
        finally:
            seconds = time.perf_counter() - start
            record(scope["path"].lower(), seconds)
            if seconds > 0.5:
                log.warning("%s is slow", scope["path"])

    return timed
