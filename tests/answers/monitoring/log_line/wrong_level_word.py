import json


def answer(request, status, seconds):
    return json.dumps(
        {
            "level": "warning" if seconds > 0.5 else "info",
            "request_id": request["id"],
            "route": request["method"] + " " + request["route"],
            "status": status,
            "duration_ms": seconds * 1000,
        }
    )
