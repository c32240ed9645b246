import json


def answer(request, status, seconds):
    return json.dumps(
        {
            "level": "WARNING" if seconds > 0.5 else "INFO",
            "request_id": request["id"],
            "route": f"{request['method']} {request['route']}",
            "status": status,
            "duration_ms": seconds * 1000,
            "user_agent": request["headers"].get("User-Agent", ""),
        }
    )
