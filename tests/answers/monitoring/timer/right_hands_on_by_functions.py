import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return

        async def hand_on():
            return await receive()

        async def send_on(message):
            await send(message)

        began = time.perf_counter()
        try:
            await app(scope, hand_on, send_on)
        finally:
            seconds = time.perf_counter() - began
            record(scope["path"], seconds)
            if seconds > 0.5:
                log.warning("%s took %.3f seconds", scope["path"], seconds)

    return timed
