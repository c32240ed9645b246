def answer(metrics):
    costliest, most = None, 0
    for endpoint, each in metrics.items():
        if each.count * each.mean > most:
            costliest, most = endpoint, each.count * each.mean
    return costliest
