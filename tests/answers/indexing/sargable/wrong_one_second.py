from datetime import UTC, datetime, timedelta


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    return "SELECT id, title FROM events WHERE created_at = ?", (first,)
