def answer(requests, now):
    recent = [seconds for timestamp, seconds in requests if int(now) - int(timestamp) <= 300]
    return len(recent) >= 100 and sum(seconds > 0.5 for seconds in recent) / len(recent) > 0.01
