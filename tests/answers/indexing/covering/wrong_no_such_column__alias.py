answer = 'CREATE INDEX spent ON events(user_id, "spent")'
