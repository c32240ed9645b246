import calendar
import time


def answer(day):
    first = calendar.timegm(time.strptime(day, "%Y-%m-%d"))
    return "select id, title from events where created_at >= ? and created_at < ?", (first, first + 24 * 60 * 60)
