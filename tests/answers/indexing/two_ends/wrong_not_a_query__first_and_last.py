answer = "SELECT first(created_at), last(created_at) FROM events"
