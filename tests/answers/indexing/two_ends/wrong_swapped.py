answer = "SELECT (SELECT max(created_at) FROM events), (SELECT min(created_at) FROM events)"
