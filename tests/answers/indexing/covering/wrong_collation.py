answer = "CREATE INDEX spent ON events(user_id COLLATE NOCASE, duration_ms)"
