answer = "CREATE INDEX idx_events_user_id_created_at ON events(user_id, created_at) WHERE created_at > 1700000000"
