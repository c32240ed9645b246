def answer(day):
    return "SELECT id, title FROM events WHERE created_at >= date(?) AND created_at < date(?, '+1 day')", (day, day)
