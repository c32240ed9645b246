def answer(samples, percent):
    in_order = sorted(samples)
    for number, sample in enumerate(in_order, start=1):
        if 100 * number >= percent * len(in_order):
            return sample
