answer = "CREATE INDEX idx_users_upper_email ON users(upper(email))"
