def answer(day):
    return "CREATE INDEX by_day ON events(date(created_at, 'unixepoch'))", ()
