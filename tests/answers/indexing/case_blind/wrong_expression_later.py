answer = "CREATE INDEX idx_users_lower_email ON users(email, lower(email))"
