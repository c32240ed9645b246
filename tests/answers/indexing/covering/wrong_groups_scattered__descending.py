answer = "CREATE INDEX time_spent ON events(duration_ms DESC, user_id)"
