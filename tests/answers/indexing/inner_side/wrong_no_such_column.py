answer = "CREATE INDEX i ON events(user_id, users.country)"
