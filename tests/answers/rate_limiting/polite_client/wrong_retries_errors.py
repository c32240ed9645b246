def answer(send, sleep):
    response = send()
    for _ in range(2):
        if response.status_code != 200:
            sleep(int(response.headers.get("Retry-After", 1)))
            response = send()
    return response
