answer = "second, third"
