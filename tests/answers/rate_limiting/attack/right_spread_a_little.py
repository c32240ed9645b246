def answer(limit, seconds):
    moments = []
    for number in range(2 * limit):
        moments.append(seconds + (number - limit) * seconds / (10 * limit))
    return moments
