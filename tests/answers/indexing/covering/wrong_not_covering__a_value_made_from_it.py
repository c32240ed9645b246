answer = "CREATE INDEX time_spent ON events(user_id, duration_ms / 1000)"
