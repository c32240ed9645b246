answer = (
    "SELECT (SELECT min(created_at) FROM events), (SELECT min(created_at) FROM events)"
)
