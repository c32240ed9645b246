answer = ("fixed_window", "30/minute")
