answer = """
WITH last(created_at, id) AS (VALUES (:created_at, :id))
SELECT e.id, e.created_at, e.type FROM last CROSS JOIN events AS e
WHERE e.user_id = :user_id AND (e.created_at, e.id) < (last.created_at, last.id)
ORDER BY e.created_at DESC, e.id DESC LIMIT 20
"""
