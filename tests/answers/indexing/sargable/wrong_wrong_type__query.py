answer = "SELECT id, title FROM events WHERE created_at >= ? AND created_at < ?"
