def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + elapsed)
    return (True, tokens - 1) if tokens >= 1 else (False, tokens)
