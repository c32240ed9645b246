answer = "CREATE INDEX ends ON events(created_at)"
