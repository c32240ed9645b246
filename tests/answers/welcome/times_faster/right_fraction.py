from fractions import Fraction


def answer(before, after):
    return Fraction(before) / Fraction(after)
