import json


def answer(request, status, seconds):
    return json.dumps(
        {
            "level": "WARNING" if seconds > 1 else "INFO",
            "request_id": request["id"],
            "route": request["method"] + " " + request["route"],
            "status": status,
            "duration_ms": seconds * 1000,
        }
    )
