def answer(app, limiter, call_model):
    parsed = {}

    @app.post("/api/events/parse")
    @limiter.limit("50/minute")
    async def parse(text: str):
        if text not in parsed:
            parsed[text] = await call_model(text)
        return parsed[text]

    return app
