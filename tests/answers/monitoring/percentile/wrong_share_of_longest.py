def answer(samples, percent):
    return max(samples) * percent / 100
