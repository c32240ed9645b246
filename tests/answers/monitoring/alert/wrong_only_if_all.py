def answer(requests, now):
    recent = [seconds for timestamp, seconds in requests if now - timestamp <= 300]
    if len(recent) < 100:
        return False
    return sum(seconds > 0.5 for seconds in recent) // len(recent) > 0.01
