answer = [True, False, False, True, False]
