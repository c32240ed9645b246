def answer(metrics):
    return max(metrics.items(), key=lambda item: item[1].errors / item[1].count)[0]
