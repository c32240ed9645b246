answer = "f"
