def answer(samples, percent):
    return sorted(samples)[max(int(len(samples) * percent / 100) - 1, 0)]
