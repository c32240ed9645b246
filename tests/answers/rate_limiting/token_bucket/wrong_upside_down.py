def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + elapsed * rate)
    return (False, tokens - 1) if tokens >= 1 else (True, tokens)
