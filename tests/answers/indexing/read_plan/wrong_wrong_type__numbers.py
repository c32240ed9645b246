answer = [2, 3]
