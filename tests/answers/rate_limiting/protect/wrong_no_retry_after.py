from fastapi import HTTPException, Request


def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    async def parse(request: Request, text: str):
        if not await limiter.check_rate_limit(request.client.host, "parse", "50/minute"):
            raise HTTPException(429, "too many requests")
        return await call_model(text)

    return app
