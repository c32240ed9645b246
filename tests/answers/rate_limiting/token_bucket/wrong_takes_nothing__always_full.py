def answer(tokens, elapsed, rate, burst):
    return True, burst
