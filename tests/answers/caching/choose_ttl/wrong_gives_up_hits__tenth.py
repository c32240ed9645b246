answer = 0.1
