answer = "ad"
