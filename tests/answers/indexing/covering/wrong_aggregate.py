answer = "CREATE INDEX time_spent ON events(user_id, sum(duration_ms))"
