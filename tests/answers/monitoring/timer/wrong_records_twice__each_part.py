import logging
import time

log = logging.getLogger("timer")


def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()

        async def send_and_record(message):
            await send(message)
            record(scope["path"], time.perf_counter() - began)

        await app(scope, receive, send_and_record)

    return timed
