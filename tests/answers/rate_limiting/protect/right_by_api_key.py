import math
from typing import Annotated

from fastapi import Depends, Header, HTTPException


def answer(app, limiter, call_model):
    async def within_limit(x_api_key: Annotated[str, Header()]):
        decision = await limiter.check_rate_limit(x_api_key, "parse", "50/minute")
        if not decision.allowed:
            raise HTTPException(429, headers={"Retry-After": str(math.ceil(decision.retry_after))})

    @app.post("/api/events/parse", dependencies=[Depends(within_limit)])
    async def parse(text: str):
        return await call_model(text)

    return app
