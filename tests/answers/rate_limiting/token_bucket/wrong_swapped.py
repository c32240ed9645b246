def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + elapsed * rate)
    if tokens >= 1:
        return tokens - 1, True
    return tokens, False
