def answer(day):
    sql = (
        "SELECT id, title FROM events WHERE created_at BETWEEN 0+strftime('%%s', '%s') AND 86399+strftime('%%s', '%s')"
    )
    return sql % (day, day), []
