answer = "SELECT (SELECT min(id) FROM events), (SELECT max(id) FROM events)"
