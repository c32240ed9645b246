def answer(day):
    return (
        "SELECT id, title FROM events WHERE created_at >= strftime('%s', ?) AND created_at < strftime('%s', ?, '+1 day')",
        (day, day),
    )
