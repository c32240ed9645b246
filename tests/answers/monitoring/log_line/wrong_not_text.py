def answer(request, status, seconds):
    route = f"{request['method']} {request['route']}"
    return {"level": "INFO", "request_id": request["id"], "route": route, "status": status, "duration_ms": seconds}
