answer = "CREATE INDEX IF NOT EXISTS idx_events_user_id ON events(user_id)"
