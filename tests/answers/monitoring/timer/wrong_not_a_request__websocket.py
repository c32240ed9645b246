import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        start = time.perf_counter()
        try:
            await app(scope, receive, send)
        finally:
            seconds = time.perf_counter() - start
            record(scope["path"], seconds)
            if seconds > 0.5:
                log.warning("%s is slow", scope["path"])

    return timed
