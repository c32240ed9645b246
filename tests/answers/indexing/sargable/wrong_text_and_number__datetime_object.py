from datetime import UTC, datetime, timedelta


def answer(day):
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (
        str(midnight),
        str(midnight + timedelta(days=1)),
    )
