import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()
        error = None
        try:
            await app(scope, receive, send)
        except Exception as caught:
            error = caught
        seconds = time.perf_counter() - began
        record(scope["path"], seconds)
        if seconds > 0.5:
            log.warning("%s took %.3f seconds", scope["path"], seconds)
        if error:
            raise error

    return timed
