answer = " IDX_USER_ID "
