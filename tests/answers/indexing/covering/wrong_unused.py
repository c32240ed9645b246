answer = "CREATE INDEX idx_events_duration_ms ON events(duration_ms)"
