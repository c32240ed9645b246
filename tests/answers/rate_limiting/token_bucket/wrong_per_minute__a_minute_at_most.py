def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + min(elapsed, 60) * rate)
    if tokens >= 1:
        return True, tokens - 1
    return False, tokens
