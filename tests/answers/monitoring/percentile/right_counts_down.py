def answer(samples, percent):
    for candidate in sorted(samples):
        if 100 * sum(sample <= candidate for sample in samples) >= percent * len(samples):
            return candidate
