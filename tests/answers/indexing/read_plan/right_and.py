answer = "b and c"
