answer = ["idx_user_id"]
