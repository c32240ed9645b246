answer = 'CREATE INDEX "newest" ON "events" ("user_id" ASC, "created_at" ASC)'
