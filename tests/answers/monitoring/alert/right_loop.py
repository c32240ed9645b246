def answer(requests, now):
    known = slow = 0
    for moment, seconds in requests:
        if moment >= now - 5 * 60:
            known += 1
            slow += seconds > 0.5
    if known < 100:
        return False
    return slow > known / 100
