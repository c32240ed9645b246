def answer(tokens, elapsed, rate, burst):
    allowed = tokens >= 1
    tokens = min(burst, tokens + elapsed * rate)
    return allowed, tokens - 1 if allowed else tokens
