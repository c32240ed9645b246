def answer(metrics):
    name, most = None, 0
    for endpoint, figures in metrics.items():
        if figures.count * figures.mean > most:
            name = endpoint
    return name
