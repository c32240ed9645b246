answer = ("sliding_log", "48/minute")
