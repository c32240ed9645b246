answer = ["c", "d"]
