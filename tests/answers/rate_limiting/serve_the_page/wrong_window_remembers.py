answer = ("sliding_log", "36/minute")
