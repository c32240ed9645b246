answer = """
/* equality, */
CREATE INDEX newest ON events(
    user_id,    -- step 1
    created_at  -- step 2
);
"""
