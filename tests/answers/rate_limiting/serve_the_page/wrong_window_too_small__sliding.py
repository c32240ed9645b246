answer = ("sliding_window", "30/minute")
