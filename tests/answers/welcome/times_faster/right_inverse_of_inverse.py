def answer(before, after):
    share_left = after / before
    return 1 / share_left
