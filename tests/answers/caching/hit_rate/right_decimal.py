from decimal import Decimal


def answer(hits, misses):
    lookups = hits + misses
    return Decimal(hits) / lookups if lookups else Decimal(0)
