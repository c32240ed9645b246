answer = """
WITH first(at) AS (SELECT min(created_at) FROM events), last(at) AS (SELECT max(created_at) FROM events)
SELECT first.at, last.at FROM first, last
"""
