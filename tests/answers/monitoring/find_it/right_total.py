def answer(metrics):
    totals = {endpoint: each.total for endpoint, each in metrics.items()}
    return max(totals, key=totals.get)
