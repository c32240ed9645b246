from datetime import UTC, datetime, timedelta


def answer(day):
    try:
        midnight = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise SystemExit(f"no such day: {day}")
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (
        midnight.timestamp(),
        midnight.timestamp() + 86_400,
    )
