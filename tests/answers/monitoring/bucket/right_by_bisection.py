import bisect

BOUNDS = [1e-6 * 1.0195**number for number in range(1_400)]


def answer(seconds):
    return bisect.bisect(BOUNDS, seconds)
