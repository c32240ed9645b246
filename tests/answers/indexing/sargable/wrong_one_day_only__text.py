from datetime import UTC, datetime, timedelta


def answer(day):
    next_day = f"{day[:-2]}{int(day[-2:]) + 1:02}"
    return "SELECT id, title FROM events WHERE created_at >= strftime('%s', ?) AND created_at < strftime('%s', ?)", (
        day,
        next_day,
    )
