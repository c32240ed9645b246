answer = "create index if not exists time_spent on events (user_id, duration_ms);"
