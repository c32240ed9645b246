def answer(metrics):
    return sorted(metrics, key=lambda endpoint: metrics[endpoint].count)[-9]
