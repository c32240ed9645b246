def answer(samples, percent):
    return sorted(samples)[max(round(len(samples) * percent / 100) - 1, 0)]
