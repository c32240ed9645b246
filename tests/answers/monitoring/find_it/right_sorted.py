def answer(metrics):
    return sorted(metrics.items(), key=lambda item: -item[1].mean * item[1].count)[0][0]
