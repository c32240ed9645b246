def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + elapsed * rate)
    return tokens >= 1, max(0, tokens - 1)
