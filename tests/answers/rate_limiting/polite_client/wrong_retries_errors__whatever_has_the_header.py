def answer(send, sleep):
    response = send()
    for _ in range(2):
        if "Retry-After" not in response.headers:
            break
        sleep(int(response.headers["Retry-After"]))
        response = send()
    return response
