answer = ["token_bucket", "24 per minute burst 45"]
