def answer(day):
    return (
        "SELECT id, title FROM events WHERE created_at >= CAST(strftime('%s', ?) AS INTEGER) AND created_at < CAST(strftime('%s', ?, '+1 day') AS INTEGER)",
        (day, day),
    )
