answer = ("C", "B")
