answer = ("token_bucket", "12/minute burst 50")
