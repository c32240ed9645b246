answer = """
SELECT (SELECT created_at FROM events ORDER BY created_at LIMIT 1),
       (SELECT created_at FROM events ORDER BY created_at DESC LIMIT 1)
"""
