def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + elapsed * rate // 1)
    return (True, tokens - 1) if tokens >= 1 else (False, tokens)
