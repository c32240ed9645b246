answer = "SELECT id, name FROM users WHERE email = lower(?)"
