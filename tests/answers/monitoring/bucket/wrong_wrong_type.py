import math


def answer(seconds):
    return f"bucket {math.floor(math.log(seconds, 1.02))}"
