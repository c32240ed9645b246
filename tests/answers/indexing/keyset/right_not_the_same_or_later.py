answer = """
SELECT id, created_at, type FROM events WHERE user_id = :user_id
AND created_at <= :created_at AND NOT (created_at = :created_at AND id >= :id)
ORDER BY created_at DESC, id DESC LIMIT 0, 20
"""
