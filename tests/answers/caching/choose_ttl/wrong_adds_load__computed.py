answer = 5 + 1.0
