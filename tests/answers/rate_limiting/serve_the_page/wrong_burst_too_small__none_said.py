answer = ("token_bucket", "30/minute")
