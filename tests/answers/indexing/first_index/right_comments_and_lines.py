answer = """
-- One user's events lie together.
CREATE INDEX idx_events_user_id
    ON events(
        user_id  -- the column of the WHERE
    );
"""
