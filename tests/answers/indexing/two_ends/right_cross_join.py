answer = "SELECT * FROM (SELECT min(created_at) FROM events), (SELECT max(created_at) FROM events)"
