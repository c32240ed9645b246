import json


def answer(request, status, seconds):
    fields = {
        "level": "WARNING" if seconds > 0.5 else "INFO",
        "request_id": request["id"],
        "route": f"{request['method']} {request['route']}",
        "status": status,
        "duration_ms": seconds * 1000,
    }
    return json.dumps(json.dumps(fields))
