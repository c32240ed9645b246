def answer(send, sleep):
    r = send()
    for _ in range(2):
        if r.status_code != 429: break
        sleep(int(r.headers["Retry-After"]))
        send()
    return r
