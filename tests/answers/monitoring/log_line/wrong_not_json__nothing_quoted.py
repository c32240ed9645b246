def answer(request, status, seconds):
    level = "WARNING" if seconds > 0.5 else "INFO"
    route = f"{request['method']} {request['route']}"
    return (
        f'{{"level": "{level}", "request_id": "{request["id"]}", "route": "{route}", '
        f'"status": {status}, "duration_ms": {seconds * 1000}}}'
    )
