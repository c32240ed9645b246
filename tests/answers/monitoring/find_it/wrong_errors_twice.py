def answer(metrics):
    return max(metrics, key=lambda n: (metrics[n].count + metrics[n].errors) * metrics[n].mean)
