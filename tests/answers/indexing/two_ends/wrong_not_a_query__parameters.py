answer = "SELECT min(created_at), max(created_at) FROM events WHERE user_id = ?"
