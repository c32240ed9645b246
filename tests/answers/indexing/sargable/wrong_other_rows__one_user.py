from datetime import UTC, datetime, timedelta


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    return "SELECT id, title FROM events WHERE user_id = 1 AND created_at >= ? AND created_at < ?", (
        first,
        first + 86_400,
    )
