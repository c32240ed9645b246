answer = 5
