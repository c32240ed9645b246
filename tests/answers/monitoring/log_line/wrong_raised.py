import json


def answer(request, status, seconds):
    return json.dumps({"request_id": request.id, "status": status})
