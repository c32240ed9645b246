answer = "cd"
