from decimal import Decimal


def answer(before, after):
    return Decimal(str(before)) / Decimal(str(after))
