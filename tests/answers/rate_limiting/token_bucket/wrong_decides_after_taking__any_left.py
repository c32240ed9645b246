def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + elapsed * rate)
    if tokens >= 1:
        tokens -= 1
    return tokens > 0, tokens
