answer = "CREATE INDEX newest ON events(user_id ORDER BY created_at DESC)"
