answer = "DROP INDEX idx_user_id"
