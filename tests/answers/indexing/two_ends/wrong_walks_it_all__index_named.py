answer = "SELECT min(created_at), max(created_at) FROM events INDEXED BY idx_events_created_at"
