answer = "CREATE INDEX i ON events(type)"
