answer = 3.5
