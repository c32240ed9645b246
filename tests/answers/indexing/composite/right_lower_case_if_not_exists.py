answer = "create index if not exists newest on events (user_id, created_at desc);"
