answer = "CREATE INDEX by_email ON users('lower(email)', ?)"
