def answer(samples, percent):
    return sorted(samples)[min(int(len(samples) * percent / 100), len(samples) - 1)]
