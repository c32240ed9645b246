answer = "CREATE INDEX newest ON events(user_id, starts_at)"
