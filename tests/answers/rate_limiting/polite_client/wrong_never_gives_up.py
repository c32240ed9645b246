def answer(send, sleep):
    response = send()
    while response.status_code == 429:
        sleep(int(response.headers["Retry-After"]))
        response = send()
    return response
