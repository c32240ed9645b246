answer = ("fixed_window", "60 per 2 minutes")
