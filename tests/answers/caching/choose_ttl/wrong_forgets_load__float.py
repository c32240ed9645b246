answer = 5.0
