answer = "SELECT * FROM events WHERE user_id = ? ORDER BY created_at DESC LIMIT 20"
