answer = "CREATE INDEX i ON events(type, user_id)"
