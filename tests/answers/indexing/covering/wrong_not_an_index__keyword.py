answer = "CREATE VIEW time_spent AS SELECT user_id, sum(duration_ms) FROM events GROUP BY user_id"
