answer = "ab"
