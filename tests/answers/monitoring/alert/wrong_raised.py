def answer(requests, now):
    recent = [each for each in requests if now - each["moment"] <= 300]
    return len(recent) >= 100
