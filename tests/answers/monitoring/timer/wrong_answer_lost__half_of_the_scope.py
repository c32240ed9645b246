import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        path = scope["path"]
        start = time.perf_counter()
        try:
            await app({"type": "http", "path": path}, receive, send)
        finally:
            seconds = time.perf_counter() - start
            record(path, seconds)
            if seconds > 0.5:
                log.warning("%s is slow", path)

    return timed
