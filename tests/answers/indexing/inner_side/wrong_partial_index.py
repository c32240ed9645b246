answer = "CREATE INDEX i ON events(user_id) WHERE status = 200"
