def answer(metrics):
    return max(metrics)
