def answer(send, sleep):
    attempts = 1
    response = send()
    while response.status_code == 429 and attempts < 3:
        sleep(float(response.headers["retry-after"]))
        response = send()
        attempts += 1
    return response
