def answer(day):
    return (
        "SELECT id, title FROM events WHERE created_at >= strftime('%s', ?, 'utc') AND created_at < strftime('%s', ?, '+1 day', 'utc')",
        (day, day),
    )
