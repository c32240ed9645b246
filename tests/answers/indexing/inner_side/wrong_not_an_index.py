answer = "SELECT 1"
