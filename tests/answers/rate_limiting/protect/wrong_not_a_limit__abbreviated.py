def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    @limiter.limit("50/min")
    async def parse(text: str):
        return await call_model(text)

    return app
