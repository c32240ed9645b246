from decimal import Decimal


def answer(hits, misses):
    return Decimal(hits) / Decimal(hits + misses)
