import logging, time
log = logging.getLogger("timer")
def answer(app, record):
    async def timed(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        start = time.perf_counter()
        try:
            await app(scope, receive, send)
        finally:
            seconds = round(time.perf_counter() - start, 2)
            record(scope["path"], seconds)
            if seconds > 0.5:
                log.warning("slow")
    return timed
