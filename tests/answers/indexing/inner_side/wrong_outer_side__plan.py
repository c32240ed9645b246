answer = "CREATE INDEX i ON users(plan)"
