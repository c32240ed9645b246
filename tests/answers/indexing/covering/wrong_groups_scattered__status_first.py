answer = "CREATE INDEX time_spent ON events(status, user_id, duration_ms)"
