def answer(tokens, elapsed, rate, burst):
    tokens += elapsed * rate
    if tokens < 1:
        return False, tokens
    return True, min(burst, tokens - 1)
