answer = "idx_events_user_id"
