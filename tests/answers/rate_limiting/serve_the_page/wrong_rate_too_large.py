answer = ("token_bucket", "40/minute burst 36")
