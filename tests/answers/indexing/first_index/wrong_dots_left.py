answer = "CREATE INDEX ..."
