def answer(send, sleep):
    response = send()
    for _ in range(2):
        if response.status_code == 429:
            for _ in range(int(response.headers.get("Retry-After", 1))):
                sleep(1)
            response = send()
    return response
