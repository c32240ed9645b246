answer = float("inf")
