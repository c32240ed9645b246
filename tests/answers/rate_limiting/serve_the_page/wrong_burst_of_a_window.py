answer = ("fixed_window", "20/minute burst 40")
