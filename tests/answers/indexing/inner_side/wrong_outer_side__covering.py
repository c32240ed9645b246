answer = "CREATE INDEX i ON users(country, plan, id, name)"
