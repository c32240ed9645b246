answer = "create index i on events (user_id, type, title, created_at)"
