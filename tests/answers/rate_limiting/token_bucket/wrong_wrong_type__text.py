def answer(tokens, elapsed, rate, burst):
    tokens = min(burst, tokens + elapsed * rate)
    return f"{tokens >= 1}, {tokens}"
