from datetime import date


def answer(day):
    number = (date.fromisoformat(day) - date(1970, 1, 1)).days
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (
        number * 86_400,
        (number + 1) * 86_400,
    )
