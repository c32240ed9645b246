answer = "DROP INDEX main.idx_user_id"
