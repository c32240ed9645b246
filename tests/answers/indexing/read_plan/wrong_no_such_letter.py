answer = "be"
