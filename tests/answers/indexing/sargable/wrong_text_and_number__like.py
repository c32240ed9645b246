def answer(day):
    return "SELECT id, title FROM events WHERE created_at LIKE ?", (day + "%",)
