answer = "CREATE INDEX time_spent ON users(id)"
