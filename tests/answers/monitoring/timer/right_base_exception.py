import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter_ns()
        error = None
        try:
            await app(scope, receive, send)
        except BaseException as caught:
            error = caught
        nanoseconds = time.perf_counter_ns() - began
        record(scope["path"], nanoseconds / 1e9)
        if nanoseconds > 500_000_000:
            log.warning("%s took %s nanoseconds", scope["path"], nanoseconds)
        if error:
            raise error

    return timed
