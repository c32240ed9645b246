answer = "bcd"
