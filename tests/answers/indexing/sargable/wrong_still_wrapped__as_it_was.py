def answer(day):
    return "SELECT id, title FROM events WHERE date(created_at, 'unixepoch') = ?", (day,)
