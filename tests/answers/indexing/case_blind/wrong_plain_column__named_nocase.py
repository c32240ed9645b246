answer = "CREATE INDEX idx_nocase ON users(email)"
