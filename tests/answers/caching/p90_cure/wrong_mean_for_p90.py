answer = "e"
