from datetime import UTC, datetime


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    return "SELECT id, title FROM events WHERE +created_at >= ? AND created_at < ?", (first, first + 86_400)
