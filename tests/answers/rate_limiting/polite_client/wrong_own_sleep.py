import time


def answer(send, sleep):
    response = send()
    for _ in range(2):
        if response.status_code != 429:
            break
        time.sleep(int(response.headers["Retry-After"]))
        response = send()
    return response
