answer = "idx_user_id_duration_ms"
