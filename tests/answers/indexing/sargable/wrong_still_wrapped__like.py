def answer(day):
    return "SELECT id, title FROM events WHERE datetime(created_at, 'unixepoch') LIKE ? || '%'", (day,)
