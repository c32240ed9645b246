import statistics


def answer(samples, percent):
    return statistics.quantiles(samples, n=100)[percent - 1]
