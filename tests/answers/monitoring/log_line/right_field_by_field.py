import json


def answer(request, status, seconds):
    level = "WARNING" if seconds > 0.5 else "INFO"
    route = json.dumps(request["method"] + " " + request["route"])
    number = json.dumps(request["id"])
    return (
        f'{{"level": "{level}", "request_id": {number}, "route": {route}, '
        f'"status": {status}, "duration_ms": {seconds * 1000}}}'
    )
