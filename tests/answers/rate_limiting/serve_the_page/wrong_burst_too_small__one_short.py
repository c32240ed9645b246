answer = ("token_bucket", "25/minute burst 24")
