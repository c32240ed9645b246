def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    async def parse(text: str):
        limiter.limit("50/minute")
        return await call_model(text)

    return app
