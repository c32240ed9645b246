answer = """
SELECT id, created_at, type FROM events WHERE user_id = :user_id ORDER BY created_at DESC, id DESC LIMIT 20 OFFSET :page * 20
"""
