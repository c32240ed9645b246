answer = "VACUUM INTO 'stolen.db'"
