answer = "CREATE INDEX idx_events_user_id ON events(created_at, user_id)"
