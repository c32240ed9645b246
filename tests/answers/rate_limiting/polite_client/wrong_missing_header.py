def answer(send, sleep):
    response = send()
    sleep(int(response.headers["Retry-After"]))
    return send()
