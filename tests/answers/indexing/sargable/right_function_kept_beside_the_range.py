from datetime import UTC, datetime, timedelta


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    sql = "SELECT id, title FROM events WHERE created_at BETWEEN ? AND ? AND date(created_at, 'unixepoch') = ?"
    return sql, (first, first + 86_400, day)
