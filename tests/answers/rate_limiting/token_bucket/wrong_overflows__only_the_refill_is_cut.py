def answer(tokens, elapsed, rate, burst):
    tokens += min(burst, elapsed * rate)
    if tokens < 1:
        return False, tokens
    return True, tokens - 1
