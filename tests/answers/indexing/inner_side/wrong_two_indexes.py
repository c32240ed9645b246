answer = ["CREATE INDEX i ON events(user_id)", "CREATE INDEX j ON users(country)"]
