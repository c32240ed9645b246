"""The four algorithms, each a Lua script in `lua/`."""

from typing import Literal, get_args

from course_lib.redis_client import Script

Algorithm = Literal["fixed_window", "sliding_log", "sliding_window", "token_bucket"]

SCRIPTS = {name: Script(__package__, name) for name in get_args(Algorithm)}
