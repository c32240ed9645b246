answer = "CREATE INDEX a ON events(user_id); CREATE INDEX b ON events(created_at);"
