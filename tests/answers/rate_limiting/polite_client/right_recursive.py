def answer(send, sleep, attempts=3):
    response = send()
    if response.status_code != 429 or attempts == 1:
        return response
    sleep(int(response.headers["Retry-After"]))
    return answer(send, sleep, attempts - 1)
