answer = ["idx_user_id", "idx_user_id_created_at"]
