from fastapi import Request


def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    async def parse(request: Request, text: str):
        client = request.headers["X-API-Key"]
        if not await limiter.check_rate_limit(client, "/api/events/parse", "50/minute"):
            return {"error": "too many requests"}
        return await call_model(text)

    return app
