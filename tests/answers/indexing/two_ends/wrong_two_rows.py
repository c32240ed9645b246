answer = "SELECT min(created_at) FROM events UNION ALL SELECT max(created_at) FROM events"
