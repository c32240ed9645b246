answer = ("sliding_window", "40/minute")
