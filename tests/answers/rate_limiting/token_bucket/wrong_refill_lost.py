def answer(tokens, elapsed, rate, burst):
    level = min(burst, tokens + elapsed * rate)
    if level >= 1:
        return True, level - 1
    return False, tokens
