answer = "CREATE INDEX time_spent ON events(user_id, spent)"
