answer = ["b", "c"]
