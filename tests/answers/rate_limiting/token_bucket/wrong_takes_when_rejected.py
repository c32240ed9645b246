def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + elapsed * rate) - 1
    return tokens >= 0, tokens
