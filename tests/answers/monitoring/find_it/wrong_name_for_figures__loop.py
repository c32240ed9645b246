def answer(metrics):
    worst, most = None, 0
    for endpoint in metrics:
        total = endpoint.count * endpoint.mean
        if total > most:
            worst, most = endpoint, total
    return worst
