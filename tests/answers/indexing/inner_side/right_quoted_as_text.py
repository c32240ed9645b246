answer = "create index if not exists `i` on [events] ('user_id' DESC, type)"
