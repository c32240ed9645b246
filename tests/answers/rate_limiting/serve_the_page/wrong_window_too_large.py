answer = ("sliding_window", "100/minute")
