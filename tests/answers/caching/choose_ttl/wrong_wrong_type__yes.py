answer = True
