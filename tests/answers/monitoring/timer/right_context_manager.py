import logging
from contextlib import contextmanager
from time import perf_counter


def answer(app, record):
    @contextmanager
    def clock(path):
        began = perf_counter()
        try:
            yield
        finally:
            seconds = perf_counter() - began
            record(path=path, seconds=seconds)
            if seconds >= 0.5:
                logging.getLogger("slow").warning("%s: %s", path, seconds)

    async def timed(scope, receive, send):
        if scope["type"] == "http":
            with clock(scope["path"]):
                await app(scope, receive, send)
        else:
            await app(scope, receive, send)

    return timed
