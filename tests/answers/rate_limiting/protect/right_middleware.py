from course_lib.limiter import RateLimitMiddleware


def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    async def parse(text: str):
        return await call_model(text)

    return RateLimitMiddleware(app, limiter=limiter, limits={"POST /api/events/parse": "50/minute"})
