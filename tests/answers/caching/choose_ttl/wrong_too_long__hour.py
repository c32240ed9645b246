answer = 60 * 60
