answer = "SELECT min(created_at), (SELECT max(created_at) FROM events) FROM events"
