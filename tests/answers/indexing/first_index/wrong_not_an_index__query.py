answer = "SELECT * FROM events WHERE user_id = ?"
