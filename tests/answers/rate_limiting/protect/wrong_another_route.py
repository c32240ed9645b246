def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    async def parse(text: str):
        return await call_model(text)

    @app.post("/api/events/parsed")
    @limiter.limit("50/minute")
    async def parsed(text: str):
        return await call_model(text)

    return app
