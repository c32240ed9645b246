def answer(send, sleep):
    response = send()
    for _ in range(2):
        if response.status_code == 429:
            sleep(response.headers["Retry-After"])
            response = send()
    return response
