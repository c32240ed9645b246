import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()
        try:
            await app(scope, receive, send)
        finally:
            seconds = time.perf_counter() - began
            record(scope["path"], seconds)
            if seconds > 0.5:
                log.error("%s took %.3f seconds", scope["path"], seconds)

    return timed
