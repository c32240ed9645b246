answer = "CREATE INDEX refunds ON events(user_id COLLATE NOCASE)"
