answer = ("fixed_window", "60/minute")
