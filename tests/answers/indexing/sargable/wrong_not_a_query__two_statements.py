def answer(day):
    return "CREATE INDEX by_time ON events(created_at); SELECT id, title FROM events", ()
