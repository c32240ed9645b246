import math

numbers = {}


def answer(seconds):
    return numbers.setdefault(math.floor(math.log(seconds, 1.02)), len(numbers))
