from fastapi import HTTPException, Request


def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    async def parse(request: Request, text: str):
        decision = await limiter.check_rate_limit(request.client.host, "parse", "50/minute")
        if not decision:
            raise HTTPException(429, headers={"Retry-After": str(decision.retry_after)})
        return await call_model(text)

    return app
