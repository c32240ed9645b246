answer = "CREATE INDEX i ON events(created_at)"
