answer = 4.5
