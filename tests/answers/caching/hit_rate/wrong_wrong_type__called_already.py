answer = 3 / 4
