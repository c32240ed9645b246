answer = 92
