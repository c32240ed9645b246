answer = "CREATE INDEX idx_events_duration_ms_user_id ON events(duration_ms, user_id)"
