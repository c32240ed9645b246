answer = "SELECT created_at, created_at FROM events ORDER BY created_at"
