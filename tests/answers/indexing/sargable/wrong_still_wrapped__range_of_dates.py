def answer(day):
    return (
        "SELECT id, title FROM events WHERE date(created_at, 'unixepoch') >= ? AND date(created_at, 'unixepoch') < date(?, '+1 day')",
        (day, day),
    )
