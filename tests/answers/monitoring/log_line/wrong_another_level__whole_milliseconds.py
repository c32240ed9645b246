import json


def answer(request, status, seconds):
    milliseconds = int(seconds * 1000)
    return json.dumps(
        {
            "level": "WARNING" if milliseconds > 500 else "INFO",
            "request_id": request["id"],
            "route": f"{request['method']} {request['route']}",
            "status": status,
            "duration_ms": milliseconds,
        }
    )
