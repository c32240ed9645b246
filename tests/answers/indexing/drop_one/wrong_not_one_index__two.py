answer = "idx_user_id and idx_status_created_at"
