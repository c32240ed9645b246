answer = "4 s"
