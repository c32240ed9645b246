answer = "idx_status_created_at"
