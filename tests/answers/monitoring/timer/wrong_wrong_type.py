import logging
import time

log = logging.getLogger("timer")


async def answer(app, record):
    async def timed(scope, receive, send):
        await app(scope, receive, send)

    return timed
