def answer(send, sleep):
    response = send()
    for _ in range(2):
        if response.status_code != 429:
            break
        sleep(min(60, int(response.headers["Retry-After"])))
        response = send()
    return response
