answer = "CREATE INDEX idx_events_user_id_duration_ms ON events(user_id, duration_ms) WHERE duration_ms > 100"
