from datetime import UTC, datetime, timedelta


def answer(day):
    first = datetime.fromisoformat(day).replace(tzinfo=UTC)
    bounds = (first, first + timedelta(days=1))
    sql = "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ? LIMIT 1000"
    return sql, tuple(int(bound.timestamp()) for bound in bounds)
