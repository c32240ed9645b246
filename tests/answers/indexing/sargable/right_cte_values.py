from datetime import UTC, datetime, timedelta


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    sql = "WITH day(first) AS (VALUES (?)) SELECT id, title FROM events, day WHERE created_at >= first AND created_at < first + 86400"
    return sql, (first,)
