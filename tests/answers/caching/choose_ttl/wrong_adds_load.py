answer = 6
