answer = {"user_id": "created_at"}
