def answer(metrics):
    return next(iter(metrics))
