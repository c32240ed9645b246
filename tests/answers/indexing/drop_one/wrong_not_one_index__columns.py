answer = "events(user_id)"
