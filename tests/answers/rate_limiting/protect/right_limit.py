from course_lib.limiter import Limit


def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    @limiter.limit(Limit(50, 60.0))
    async def parse(text: str):
        return await call_model(text)

    return app
