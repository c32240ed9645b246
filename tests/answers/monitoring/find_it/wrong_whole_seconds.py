def answer(metrics):
    return max(metrics, key=lambda name: int(metrics[name].count * metrics[name].mean))
