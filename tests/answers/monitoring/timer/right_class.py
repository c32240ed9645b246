import logging
import time

log = logging.getLogger("timer")


class Timer:
    def __init__(self, app, record):
        self.app, self.record = app, record

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began = time.monotonic()
        try:
            await self.app(scope, receive, send)
        finally:
            self.end(scope["path"], time.monotonic() - began)

    def end(self, path, seconds):
        self.record(path, seconds)
        if seconds > 0.5:
            logging.warning("slow: %s", path)


answer = Timer
