def answer(metrics):
    return sorted(metrics, key=lambda endpoint: -metrics[endpoint].count * metrics[endpoint].mean)
