def answer(tokens, elapsed, rate, burst):
    tokens = min(tokens + elapsed * rate, burst)
    if tokens >= 1:
        tokens -= 1
    return tokens >= 1, tokens
