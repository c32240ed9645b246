def answer(requests, now):
    recent = [seconds for moment, seconds in requests if now - moment <= 300]
    return "alarm" if len(recent) >= 100 else "quiet"
