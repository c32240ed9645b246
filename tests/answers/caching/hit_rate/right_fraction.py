from fractions import Fraction


def answer(hits, misses):
    if hits + misses == 0:
        return 0
    return Fraction(hits, hits + misses)
