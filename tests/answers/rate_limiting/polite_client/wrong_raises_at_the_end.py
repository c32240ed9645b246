def answer(send, sleep):
    for attempt in range(3):
        response = send()
        if response.status_code != 429:
            return response
        if attempt < 2:
            sleep(int(response.headers["Retry-After"]))
    raise RuntimeError("gave up")
