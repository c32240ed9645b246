import logging
import time

log = logging.getLogger("timer")


class Timer:
    def __init__(self, app, record):
        self.app, self.record = app, record

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        self.began = time.perf_counter()
        try:
            await self.app(scope, receive, send)
        finally:
            seconds = time.perf_counter() - self.began
            self.record(scope["path"], seconds)
            if seconds > 0.5:
                log.warning("%s took %.3f seconds", scope["path"], seconds)


answer = Timer
