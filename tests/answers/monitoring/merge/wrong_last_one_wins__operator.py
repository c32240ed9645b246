from functools import reduce
from operator import or_


def answer(workers):
    return reduce(or_, workers, {})
