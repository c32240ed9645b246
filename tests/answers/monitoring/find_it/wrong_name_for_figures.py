def answer(metrics):
    return max(metrics, key=lambda endpoint: endpoint.count * endpoint.mean)
