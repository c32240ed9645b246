from datetime import UTC, datetime, timedelta


def answer(day):
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    bounds = [midnight, midnight + timedelta(days=1)]
    return (
        "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?",
        [int(bound.timestamp()) for bound in bounds],
    )
