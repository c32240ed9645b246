answer = "abcd"
