answer = "SELECT max(created_at) FROM events"
