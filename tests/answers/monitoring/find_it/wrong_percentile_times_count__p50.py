def answer(metrics):
    return max(metrics.items(), key=lambda item: item[1].p50 * item[1].count)[0]
