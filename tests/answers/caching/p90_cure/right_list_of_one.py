answer = ["d"]
