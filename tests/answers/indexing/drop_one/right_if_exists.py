answer = "drop index if exists idx_user_id;"
