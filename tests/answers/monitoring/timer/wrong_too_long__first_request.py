import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    starts = []

    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        starts.append(time.perf_counter())
        try:
            await app(scope, receive, send)
        finally:
            seconds = time.perf_counter() - starts[0]
            record(scope["path"], seconds)
            if seconds > 0.5:
                log.warning("slow")

    return timed
