def answer(day):
    return (
        "SELECT id, title FROM events WHERE created_at >= strftime('%s', ?1) AND created_at < strftime('%s', ?1, '+1 day')",
        (day),
    )
