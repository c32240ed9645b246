def answer(tokens, elapsed, rate, burst):
    missing = max(0, burst - tokens - elapsed * rate)
    left = burst - missing - 1
    return left >= 0, left if left >= 0 else left + 1
