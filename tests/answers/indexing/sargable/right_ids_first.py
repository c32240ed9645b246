from datetime import UTC, datetime, timedelta


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    sql = """
        -- the ids by the index, the rows by their ids
        SELECT id, title FROM events
        WHERE id IN (SELECT id FROM events WHERE created_at >= ? AND created_at < ?)
    """
    return sql, (first, first + 86_400)
