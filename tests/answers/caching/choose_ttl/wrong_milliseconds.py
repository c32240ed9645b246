answer = 4_000
