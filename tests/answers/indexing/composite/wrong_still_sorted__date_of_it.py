answer = "CREATE INDEX newest ON events(user_id, date(created_at, 'unixepoch'))"
