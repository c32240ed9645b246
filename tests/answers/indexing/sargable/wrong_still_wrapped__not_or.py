from datetime import UTC, datetime


def answer(day):
    first = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    return "SELECT id, title FROM events WHERE NOT (created_at < ? OR created_at >= ?)", (first, first + 86_400)
