def answer(requests, now):
    recent = [seconds for moment, seconds in requests if now - moment <= 300]
    slow = [seconds for seconds in recent if seconds > 0.5]
    return len(recent) >= 100 and len(slow) / len(recent) > 0.01
