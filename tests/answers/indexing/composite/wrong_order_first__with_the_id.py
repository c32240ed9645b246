answer = "CREATE INDEX newest ON events(created_at, id, user_id)"
