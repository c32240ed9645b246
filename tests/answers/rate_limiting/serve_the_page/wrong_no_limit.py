answer = ("token_bucket", "20/min, burst=40")
