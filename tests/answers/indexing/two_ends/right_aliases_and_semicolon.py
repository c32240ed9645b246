answer = """
select (select min(created_at) from events) as first,
       (select max(created_at) from events) as last;
"""
