answer = "abc"
