def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + elapsed * rate)
    return (True, max(0, tokens - 1)) if tokens else (False, 0)
