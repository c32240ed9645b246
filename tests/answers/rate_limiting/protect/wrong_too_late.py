from fastapi import HTTPException, Request

from course_lib.limiter import too_many_requests


def answer(app, limiter, call_model):
    @app.post("/api/events/parse")
    async def parse(request: Request, text: str):
        event = await call_model(text)
        decision = await limiter.check_rate_limit(request.client.host, "parse", "50/minute")
        if not decision:
            raise HTTPException(**too_many_requests(decision, "50/minute"))
        return event

    return app
