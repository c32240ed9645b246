answer = "CREATE INDEX i ON events(id, user_id)"
