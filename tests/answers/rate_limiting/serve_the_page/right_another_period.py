answer = ("token_bucket", "1 per 3 seconds burst 40")
