answer = "idx_userid"
