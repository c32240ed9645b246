answer = "SELECT (SELECT min(created_at) FROM users), (SELECT max(created_at) FROM users)"
