answer = "CREATE INDEX idx_events_created_at_user_id ON events(created_at, user_id)"
