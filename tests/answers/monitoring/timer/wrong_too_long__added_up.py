import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    total = {}

    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        path = scope["path"]
        start = time.perf_counter()
        try:
            await app(scope, receive, send)
        finally:
            total[path] = total.get(path, 0) + time.perf_counter() - start
            record(path, total[path])
            if total[path] > 0.5:
                log.warning("%s is slow", path)

    return timed
