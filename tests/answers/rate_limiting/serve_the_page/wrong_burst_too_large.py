answer = ("token_bucket", "20/minute burst 100")
