def answer(metrics):
    return max(metrics.values(), key=lambda each: each.count * each.mean)
