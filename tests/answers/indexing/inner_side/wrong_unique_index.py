answer = "CREATE UNIQUE INDEX i ON events(user_id)"
