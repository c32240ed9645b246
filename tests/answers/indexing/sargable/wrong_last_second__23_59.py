from datetime import UTC, datetime, timedelta


def answer(day):
    first, last = (datetime.fromisoformat(f"{day}T{at}+00:00").timestamp() for at in ("00:00", "23:59"))
    return "SELECT id, title FROM events WHERE created_at BETWEEN ? AND ?", (first, last)
