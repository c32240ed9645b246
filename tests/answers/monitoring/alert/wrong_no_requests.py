def answer(requests, now):
    recent = [seconds for moment, seconds in requests if now - moment <= 300]
    share = sum(seconds > 0.5 for seconds in recent) / len(recent)
    return len(recent) >= 100 and share > 0.01
