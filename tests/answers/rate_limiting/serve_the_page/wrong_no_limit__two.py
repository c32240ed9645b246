answer = ("token_bucket", "20/minute; 40/hour")
