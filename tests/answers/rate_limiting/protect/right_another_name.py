def answer(app, limiter, call_model):
    async def text_to_event(text: str):
        return await call_model(text)

    app.add_api_route("/api/events/parse", limiter.limit("50/minute")(text_to_event), methods=["POST"])
    return app
