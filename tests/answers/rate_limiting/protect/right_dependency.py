from fastapi import Depends


def answer(app, limiter, call_model):
    @app.post("/api/events/parse", dependencies=[Depends(limiter.limit("50/minute"))])
    async def parse(text: str):
        return await call_model(text)

    return app
