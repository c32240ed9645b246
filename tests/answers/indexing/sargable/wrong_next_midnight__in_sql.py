def answer(day):
    return "SELECT id, title FROM events WHERE created_at BETWEEN strftime('%s', ?) AND strftime('%s', ?, '+1 day')", (
        day,
        day,
    )
