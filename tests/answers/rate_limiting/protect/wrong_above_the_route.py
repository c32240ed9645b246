def answer(app, limiter, call_model):
    @limiter.limit("50/minute")
    @app.post("/api/events/parse")
    async def parse(text: str):
        return await call_model(text)

    return app
