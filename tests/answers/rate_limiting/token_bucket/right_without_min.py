def answer(tokens, elapsed, rate, burst):
    tokens += rate * elapsed
    if tokens > burst:
        tokens = burst
    if tokens < 1:
        return [False, tokens]
    return [True, tokens - 1]
