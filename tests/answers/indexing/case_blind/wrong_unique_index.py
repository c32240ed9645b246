answer = "CREATE UNIQUE INDEX idx_users_lower_email ON users(country)"
