def answer(send, sleep):
    response = send()
    if response.status_code == 429:
        response = send()
    if response.status_code == 429:
        sleep(int(response.headers["Retry-After"]))
        response = send()
    return response
