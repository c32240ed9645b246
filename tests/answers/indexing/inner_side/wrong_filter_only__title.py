answer = "CREATE INDEX i ON events(type, created_at)"
