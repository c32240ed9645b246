answer = "CREATE INDEX idx_events_user_id ON events(userid)"
