answer = "create index if not exists by_email on users (lower(email));"
