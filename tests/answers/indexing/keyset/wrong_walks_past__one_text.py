answer = """
SELECT id, created_at, type FROM events WHERE user_id = :user_id AND printf('%012d%012d', created_at, id) < printf('%012d%012d', :created_at, :id) ORDER BY created_at DESC, id DESC LIMIT 20
"""
