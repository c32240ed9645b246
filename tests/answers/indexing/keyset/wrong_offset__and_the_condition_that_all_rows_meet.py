answer = """
SELECT id, created_at, type FROM events WHERE user_id = :user_id AND id > 0 ORDER BY created_at DESC, id DESC LIMIT 20 OFFSET :offset
"""
