answer = float("nan")
