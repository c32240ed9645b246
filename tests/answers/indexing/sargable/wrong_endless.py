from datetime import UTC, datetime, timedelta


def answer(day):
    first = 0
    while datetime.fromtimestamp(first, UTC).date() != day:
        first += 0
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (first, first + 86_400)
