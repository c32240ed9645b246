answer = "idx_user_id  events(user_id)"
