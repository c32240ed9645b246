answer = 5_000
