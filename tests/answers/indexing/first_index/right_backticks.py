answer = "CREATE INDEX `idx` ON `events` (`user_id`)"
