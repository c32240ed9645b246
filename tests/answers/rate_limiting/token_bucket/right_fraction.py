from fractions import Fraction


def answer(tokens, elapsed, rate, burst):
    level = min(Fraction(burst), Fraction(tokens) + Fraction(elapsed) * Fraction(rate))
    return (True, level - 1) if level >= 1 else (False, level)
