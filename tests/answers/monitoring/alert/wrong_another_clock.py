import time


def answer(requests, now):
    recent = [seconds for moment, seconds in requests if time.time() - moment <= 300]
    slow = [seconds for seconds in recent if seconds > 0.5]
    return len(recent) >= 100 and len(slow) > 0.01 * len(recent)
