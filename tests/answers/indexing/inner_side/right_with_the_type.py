answer = "CREATE INDEX idx_events_user_id_type ON events(user_id, type)"
