def answer(tokens, elapsed, rate, burst):
    tokens = min(burst - 1, tokens + elapsed * rate)
    return (True, tokens - 1) if tokens >= 1 else (False, tokens)
