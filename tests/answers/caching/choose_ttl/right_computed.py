answer = 5 - 1
