def answer(requests, now):
    return any(seconds > 0.5 for moment, seconds in requests if now - moment <= 300)
