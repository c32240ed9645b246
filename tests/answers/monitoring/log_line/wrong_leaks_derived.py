import json, base64
def answer(request, status, seconds):
    return json.dumps(dict(level="WARNING" if seconds > .5 else "INFO", request_id=request["id"], route=request["method"] + " " + request["route"], status=status, duration_ms=seconds * 1000, body=base64.b64encode(request["body"].encode()).decode()))
