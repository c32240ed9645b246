def answer(send, sleep):
    sleep(1)
    response = send()
    for _ in range(2):
        if response.status_code != 429:
            break
        sleep(int(response.headers["Retry-After"]))
        response = send()
    return response
