answer = "b, c"
