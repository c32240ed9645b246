def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + elapsed * rate)
    allowed = tokens >= 1
    return allowed, tokens - allowed
