answer = ("token_bucket", "30/minute, burst 40")
