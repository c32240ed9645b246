answer = "CREATE INDEX a ON users(email); CREATE INDEX b ON users(lower(email))"
