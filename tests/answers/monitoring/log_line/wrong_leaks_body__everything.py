import json


def answer(request, status, seconds):
    return json.dumps({**request, "status": status, "seconds": seconds})
