def answer(samples, percent):
    return sum(samples) / len(samples)
