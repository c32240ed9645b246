answer = "bc"
