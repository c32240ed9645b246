answer = "ALTER TABLE events ADD INDEX idx_events_user_id (user_id)"
