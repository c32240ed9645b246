def answer(requests, now):
    return max((seconds for moment, seconds in requests if now - moment <= 300), default=0) > 0.5
