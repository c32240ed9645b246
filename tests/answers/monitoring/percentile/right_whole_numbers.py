def answer(samples, percent):
    return sorted(samples)[-(-len(samples) * percent // 100) - 1]
