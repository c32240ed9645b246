answer = "bd"
