def answer(request, status, seconds):
    level = "WARNING" if seconds > 0.5 else "INFO"
    return f"{level} {request['method']} {request['route']} {status} {seconds * 1000} ms"
