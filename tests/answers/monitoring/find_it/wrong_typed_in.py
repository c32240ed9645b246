def answer(metrics):
    return "GET /search"
