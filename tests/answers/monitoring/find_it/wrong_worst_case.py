def answer(metrics):
    return max(metrics.items(), key=lambda item: item[1].p99)[0]
