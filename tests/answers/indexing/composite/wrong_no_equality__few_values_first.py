answer = "CREATE INDEX newest ON events(type, user_id, created_at)"
