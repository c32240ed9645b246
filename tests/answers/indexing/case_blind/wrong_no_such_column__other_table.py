answer = "CREATE INDEX idx_users_lower_email ON events(lower(email))"
