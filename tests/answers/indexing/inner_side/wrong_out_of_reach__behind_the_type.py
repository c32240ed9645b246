answer = "CREATE INDEX i ON events(type, title, user_id)"
