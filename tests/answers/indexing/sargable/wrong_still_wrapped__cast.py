from datetime import UTC, datetime, timedelta


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    return "SELECT id, title FROM events WHERE CAST(created_at AS INTEGER) BETWEEN ? AND ?", (first, first + 86_399)
