from datetime import UTC, datetime, timedelta


def answer(day):
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    tomorrow = midnight.replace(day=midnight.day + 1)
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (
        midnight.timestamp(),
        tomorrow.timestamp(),
    )
