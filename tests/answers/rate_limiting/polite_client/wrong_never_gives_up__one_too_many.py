def answer(send, sleep):
    response = send()
    for _ in range(3):
        if response.status_code == 429:
            sleep(int(response.headers["Retry-After"]))
            response = send()
    return response
