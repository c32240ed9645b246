answer = ("token_bucket", "60/minute")
