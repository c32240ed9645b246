answer = "SELECT (SELECT min(created_at + 0) FROM events), (SELECT max(created_at + 0) FROM events)"
