def answer(metrics):
    return max(metrics.items(), key=lambda item: item[1].p90)[0]
