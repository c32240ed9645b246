answer = 'CREATE INDEX [time spent] ON [events]([user_id], "duration_ms")'
