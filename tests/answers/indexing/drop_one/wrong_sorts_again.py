answer = "idx_user_id_created_at"
