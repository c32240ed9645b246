answer = """
SELECT min(at), max(at)
FROM (SELECT min(created_at) AS at FROM events UNION ALL SELECT max(created_at) FROM events)
"""
