def answer(day):
    return "SELECT id, title FROM events WHERE strftime('%Y-%m-%d', created_at, 'unixepoch') = ?", (day,)
