answer = "SELECT (min(created_at) FROM events), (max(created_at) FROM events)"
