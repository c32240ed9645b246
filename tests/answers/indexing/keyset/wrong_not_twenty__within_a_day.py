answer = """
SELECT id, created_at, type FROM events
WHERE user_id = :user_id AND (created_at, id) < (:created_at, :id)
    AND created_at > :created_at - 86400
ORDER BY created_at DESC, id DESC LIMIT 20
"""
