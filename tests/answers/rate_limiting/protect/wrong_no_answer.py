def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    @limiter.limit("50/minute")
    async def parse(text: str):
        return await call_model(text)

    print(app)
