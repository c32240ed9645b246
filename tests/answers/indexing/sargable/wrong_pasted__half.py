def answer(day):
    return (
        f"SELECT id, title FROM events WHERE created_at >= strftime('%s', '{day}') AND created_at < strftime('%s', ?, '+1 day')",
        (day,),
    )
