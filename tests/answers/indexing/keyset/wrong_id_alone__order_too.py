answer = """
SELECT id, created_at, type FROM events WHERE user_id = :user_id AND id < :id ORDER BY id DESC LIMIT 20
"""
