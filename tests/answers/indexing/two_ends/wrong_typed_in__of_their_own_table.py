answer = "SELECT min(column1), max(column1) FROM (VALUES (1704067205), (1709251190))"
