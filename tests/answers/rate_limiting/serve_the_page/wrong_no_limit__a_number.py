answer = ("token_bucket", 20)
