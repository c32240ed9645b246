answer = "DROP INDEX IF EXISTS idx_events_user_id"
