def answer(send, sleep):
    response = send()
    wait = int(response.headers.get("Retry-After", 0))
    for _ in range(2):
        if response.status_code == 429:
            sleep(wait)
            response = send()
    return response
