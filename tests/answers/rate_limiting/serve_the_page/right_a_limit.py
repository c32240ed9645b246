from course_lib.limiter import Limit

answer = ("token_bucket", Limit(21, 60, burst=48))
