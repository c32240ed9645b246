answer = 300
