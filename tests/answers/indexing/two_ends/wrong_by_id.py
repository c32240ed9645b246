answer = (
    "SELECT (SELECT created_at FROM events ORDER BY id LIMIT 1), "
    "(SELECT created_at FROM events ORDER BY id DESC LIMIT 1)"
)
