import json


def answer(request, status, seconds):
    route = f"{request['method']} {request['route']}"
    fields = {"level": "INFO", "request_id": request["id"], "route": route, "status": status}
    return json.dumps(fields | {"duration_ms": 1000 * seconds}).encode()
