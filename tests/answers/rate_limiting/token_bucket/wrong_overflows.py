def answer(tokens, elapsed, rate, burst):
    tokens = tokens + elapsed * rate
    if tokens >= 1:
        return True, tokens - 1
    return False, tokens
