answer = {"user_id", "duration_ms"}
