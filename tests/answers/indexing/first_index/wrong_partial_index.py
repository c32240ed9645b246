answer = "CREATE INDEX idx_events_user_id ON events(user_id) WHERE user_id = 123"
