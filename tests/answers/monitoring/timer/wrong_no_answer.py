import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        await app(scope, receive, send)
        record(scope["path"], 0.1)
