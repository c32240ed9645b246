import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    def timed(scope, receive, send):
        began = time.perf_counter()
        app(scope, receive, send).close()
        record(scope["path"], time.perf_counter() - began)

    return timed
