from datetime import UTC, date, datetime, time, timedelta


class Day:
    def __init__(self, text):
        self.start = datetime.combine(date.fromisoformat(text), time.min, UTC)

    def bounds(self):
        for days in range(2):
            yield (self.start + timedelta(days)).timestamp()


def answer(day: str) -> tuple[str, list[float]]:
    return "SELECT events.id, events.title FROM events WHERE created_at >= ? AND ? > created_at", [*Day(day).bounds()]
