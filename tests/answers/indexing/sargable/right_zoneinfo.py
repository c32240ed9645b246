from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


def answer(day):
    start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=ZoneInfo("UTC"))
    end = start + timedelta(days=1)
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (
        int(start.timestamp()),
        int(end.timestamp()),
    )
