answer = "CREATE INDEX by_user ON events(user_id)"
