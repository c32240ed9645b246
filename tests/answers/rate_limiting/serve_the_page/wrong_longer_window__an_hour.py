answer = ("sliding_log", "1200/hour")
