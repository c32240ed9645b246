def answer(requests, now):
    recent = {sent: took for sent, took in requests if now - sent <= 300}
    slow = sum(took > 0.5 for took in recent.values())
    return len(recent) >= 100 and slow / len(recent) > 0.01
