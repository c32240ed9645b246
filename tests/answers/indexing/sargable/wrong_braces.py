from datetime import UTC, datetime


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    last = first + 86_400
    sql = "SELECT id, title FROM events WHERE created_at >= {first} AND created_at < {last}"
    return sql, (first, last)
