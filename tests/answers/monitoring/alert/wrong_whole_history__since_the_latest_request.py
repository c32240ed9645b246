def answer(requests, now):
    if not requests:
        return False
    latest = max(timestamp for timestamp, seconds in requests)
    recent = [seconds for timestamp, seconds in requests if latest - timestamp <= 300]
    return len(recent) >= 100 and sum(seconds > 0.5 for seconds in recent) / len(recent) > 0.01
