NEEDS_SQLITE = (3, 38)


def answer(day):
    return (
        "SELECT id, title FROM events WHERE created_at >= unixepoch(:day) AND created_at < unixepoch(:day, '+1 day')",
        {"day": day},
    )
