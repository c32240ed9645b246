import json


def answer(request, status, seconds):
    line = {"level": "INFO", "request_id": request["id"], "status": status}
    if seconds > 0.5:
        line["level"] = "WARNING"
    line["route"] = " ".join([request["method"], request["route"]])
    line["duration_ms"] = round(seconds * 1e3, 3)
    return json.dumps(line, separators=(",", ":"))
