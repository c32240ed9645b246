answer = "B"
