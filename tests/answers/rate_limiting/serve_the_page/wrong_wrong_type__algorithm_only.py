answer = "token_bucket"
