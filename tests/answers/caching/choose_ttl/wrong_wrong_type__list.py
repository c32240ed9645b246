answer = [4]
