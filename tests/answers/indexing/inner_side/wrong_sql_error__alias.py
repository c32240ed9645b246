answer = "CREATE INDEX i ON e(user_id)"
