from course_lib.limiter import RateLimitMiddleware


def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    async def parse(text: str):
        return await call_model(text)

    app.add_middleware(RateLimitMiddleware, limiter=limiter, limits={"*": "50/minute"}, exempt=())
    return app
