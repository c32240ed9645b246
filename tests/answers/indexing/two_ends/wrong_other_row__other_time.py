answer = "SELECT (SELECT min(starts_at + 1) FROM events), (SELECT max(starts_at) FROM events)"
