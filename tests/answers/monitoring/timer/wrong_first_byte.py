import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()
        seconds = 0

        async def send_and_look(message):
            nonlocal seconds
            if message["type"] == "http.response.start":
                seconds = time.perf_counter() - began
            await send(message)

        try:
            await app(scope, receive, send_and_look)
        finally:
            record(scope["path"], seconds)
            if seconds > 0.5:
                log.warning("%s took %.3f seconds", scope["path"], seconds)

    return timed
