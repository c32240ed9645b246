def answer(metrics):
    return min(metrics, key=lambda endpoint: metrics[endpoint].count * metrics[endpoint].mean)
