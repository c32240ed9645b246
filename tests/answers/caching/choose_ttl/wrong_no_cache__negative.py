answer = -1
