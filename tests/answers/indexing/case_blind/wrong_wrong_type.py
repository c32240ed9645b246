answer = str.lower
