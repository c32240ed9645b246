answer = ("token_bucket", "18/minute burst 40")
