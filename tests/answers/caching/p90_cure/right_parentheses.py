answer = "(d)"
