def answer(requests, now):
    recent = [seconds for moment, seconds in requests if now - moment <= 86_400]
    return len(recent) >= 100 and sum(seconds > 0.5 for seconds in recent) > 0.01 * len(recent)
