answer = "CREATE INDEX newest ON events(id, user_id, created_at)"
