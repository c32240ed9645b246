def answer(requests, now):
    recent = [seconds for timestamp, seconds in requests if now - timestamp <= 300]
    slow = [seconds for seconds in recent if seconds > 0.5]
    return len(recent) >= 100 and len(slow) > 1
