def answer(send, sleep):
    for _ in range(3):
        response = send()
        if response.status_code != 429:
            break
        sleep(int(response.headers["Retry-After"]))
    return response
