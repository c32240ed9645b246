def answer(tokens, elapsed, rate, burst):
    if elapsed > 0:
        tokens = burst
    if tokens >= 1:
        return True, tokens - 1
    return False, tokens
