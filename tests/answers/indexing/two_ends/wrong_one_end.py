answer = "SELECT min(created_at) FROM events"
