answer = "CREATE INDEX newest ON events(user_id, id, created_at)"
