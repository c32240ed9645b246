from datetime import UTC, datetime, timedelta


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    half = "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?"
    return half + " UNION ALL " + half, (first, first + 86_400) * 2
