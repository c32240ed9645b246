import json


def answer(request, status, seconds):
    return json.dumps(
        {
            "level": "INFO",
            "request_id": request["id"],
            "route": f"{request['method']} {request['route']}",
            "status": status,
            "duration_ms": seconds * 1000,
        }
    )
