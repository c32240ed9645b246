async def answer(day):
    return "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?", (0, 86_400)
