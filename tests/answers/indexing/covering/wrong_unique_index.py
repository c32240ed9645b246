answer = "CREATE UNIQUE INDEX idx_events_user_id_duration_ms ON events(user_id, duration_ms)"
