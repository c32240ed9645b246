answer = "CREATE INDEX newest ON events(user_id COLLATE NOCASE, created_at)"
