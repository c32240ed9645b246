answer = "BC"
