answer = "create index idx_events_user_id on events (user_id)"
