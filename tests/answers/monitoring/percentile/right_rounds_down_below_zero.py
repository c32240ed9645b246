def answer(samples, percent):
    rank = -(-len(samples) * percent // 100)
    return sorted(samples)[rank - 1]
