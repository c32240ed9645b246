answer = """
-- one end,
SELECT (SELECT min(created_at) FROM events),
       /* and the other */ (SELECT max(created_at) FROM events)
"""
