def answer(metrics):
    called_often = [name for name in metrics if metrics[name].count >= 100]
    return max(called_often, key=lambda name: metrics[name].count * metrics[name].mean)
