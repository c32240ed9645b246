def answer(metrics):
    totals = {endpoint: metrics[endpoint].count * metrics[endpoint].mean for endpoint in metrics}
    print(max(totals, key=totals.get))
