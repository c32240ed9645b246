answer = 4.0
