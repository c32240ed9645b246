from datetime import UTC, datetime, timedelta


def answer(day):
    midnight = datetime.fromisoformat(day)
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (
        midnight.timestamp(),
        (midnight + timedelta(days=1)).timestamp(),
    )
