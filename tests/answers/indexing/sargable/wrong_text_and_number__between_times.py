def answer(day):
    return "SELECT id, title FROM events WHERE created_at BETWEEN ? AND ?", (f"{day} 00:00:00", f"{day} 23:59:59")
