answer = ("20/minute burst 40", "token_bucket")
