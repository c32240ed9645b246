answer = "CREATE INDEX time_spent ON events(user_id) INCLUDE (duration_ms)"
