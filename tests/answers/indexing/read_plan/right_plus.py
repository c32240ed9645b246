answer = "b + c"
