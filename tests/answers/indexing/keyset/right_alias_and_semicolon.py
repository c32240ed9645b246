answer = """
select e.id, e.created_at, e.type from events as e where e.user_id = @user_id and (e.created_at, e.rowid) < ($created_at, :id) order by e.created_at desc, e.id desc limit 20;
"""
