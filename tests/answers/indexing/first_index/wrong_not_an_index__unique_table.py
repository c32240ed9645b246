answer = "CREATE TABLE users_of_events(user_id INTEGER UNIQUE)"
