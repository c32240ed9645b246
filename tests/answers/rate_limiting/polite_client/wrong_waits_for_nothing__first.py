def answer(send, sleep):
    response = send()
    sleep(int(response.headers.get("Retry-After", 1)))
    return response if response.status_code != 429 else send()
