answer = "ANALYZE events"
