answer = """
SELECT * FROM (SELECT id, created_at, type FROM events WHERE user_id = :user_id AND created_at = :created_at AND id < :id ORDER BY id DESC LIMIT 20) UNION ALL SELECT * FROM (SELECT id, created_at, type FROM events WHERE user_id = :user_id AND created_at < :created_at ORDER BY created_at DESC, id DESC LIMIT 20) ORDER BY created_at DESC, id DESC LIMIT 20
"""
