import time


def answer(day):
    first = time.mktime(time.strptime(day, "%Y-%m-%d"))
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (first, first + 86_400)
