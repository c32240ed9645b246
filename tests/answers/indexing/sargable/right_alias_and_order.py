from datetime import UTC, datetime, timedelta


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    sql = "SELECT e.id, e.title FROM events AS e WHERE e.created_at >= ? AND e.created_at < ? ORDER BY e.created_at;"
    return [sql, [first, first + 86_400]]
