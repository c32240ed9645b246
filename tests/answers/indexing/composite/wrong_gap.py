answer = "CREATE INDEX newest ON events(user_id, type, created_at)"
