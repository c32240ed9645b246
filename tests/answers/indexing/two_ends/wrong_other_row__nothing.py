answer = "SELECT created_at, created_at FROM events WHERE 0"
