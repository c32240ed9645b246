def answer(metrics):
    return max(metrics, key=lambda endpoint: metrics[endpoint]["count"] * metrics[endpoint]["mean"])
