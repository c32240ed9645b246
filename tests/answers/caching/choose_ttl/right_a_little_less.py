answer = 3.9
