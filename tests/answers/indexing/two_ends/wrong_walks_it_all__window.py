answer = """
SELECT first_value(created_at) OVER (ORDER BY created_at), last_value(created_at) OVER (
    ORDER BY created_at ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
FROM events LIMIT 1
"""
