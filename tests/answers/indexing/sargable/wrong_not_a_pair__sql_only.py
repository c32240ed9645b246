from datetime import UTC, datetime, timedelta


def answer(day):
    first = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    return f"SELECT id, title FROM events WHERE created_at >= {first} AND created_at < {first + 86_400}"
