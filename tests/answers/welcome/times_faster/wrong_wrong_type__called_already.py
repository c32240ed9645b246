answer = 2 / 0.5
