answer = dict(a="STRING", b="HASH", c="SET", d="STRING")
