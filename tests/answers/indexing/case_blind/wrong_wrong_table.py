answer = "CREATE INDEX idx_events_title ON events(lower(title))"
