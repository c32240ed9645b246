def answer(tokens, elapsed, rate, burst):
    tokens = max(burst, tokens + elapsed * rate)
    return (True, tokens - 1) if tokens >= 1 else (False, tokens)
