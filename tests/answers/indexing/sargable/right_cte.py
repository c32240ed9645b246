from datetime import UTC, datetime, timedelta


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    sql = """
        WITH bounds(first, next) AS (SELECT ?, ?)
        SELECT id, title FROM bounds JOIN events ON created_at >= first AND created_at < next
    """
    return sql, (first, first + 86_400)
