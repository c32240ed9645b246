def answer(samples, percent):
    print(sorted(samples)[len(samples) * percent // 100 - 1])
