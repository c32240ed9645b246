def answer(metrics):
    return max(metrics, key=lambda name: metrics[name].count * metrics[name].max)
