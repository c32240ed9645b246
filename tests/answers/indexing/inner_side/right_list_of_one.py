answer = ['CREATE INDEX IF NOT EXISTS "i" ON "events"("user_id" DESC);']
