answer = ["b"]
