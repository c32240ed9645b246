answer = ["STRING", "HASH", "SET", "STRING"]
