answer = {"algorithm": "token_bucket", "limit": "20/minute burst 40"}
