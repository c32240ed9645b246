def answer(day):
    first = 1704067200 + (int(day[-2:]) - 1) * 86_400
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (first, first + 86_400)
