answer = "CREATE INDEX ON events(user_id)"
