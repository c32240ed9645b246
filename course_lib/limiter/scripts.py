"""The four algorithms, each joined from Lua files in `lua/` to one script.

    clock.lua --> index.lua --> <algorithm>.lua --> decide.lua
    `now`         add_to_index  check, spend        check all limits, spend if all allow it, reply

An algorithm is two functions, `check(limit)` and `spend(limit)`; the rest is the same for all.
After the clock, `repair.lua` makes a script delete foreign content. `reset.lua` deletes a user's
state.
"""

import hashlib
from typing import Literal, get_args

from course_lib.redis_client import Script

Algorithm = Literal["fixed_window", "sliding_log", "sliding_window", "token_bucket"]


def _join(*names: str) -> Script:
    """Return one script made of several Lua files, in this order."""
    texts = [Script(__package__, name).text for name in names]
    script = Script(__package__, names[-1])
    script.text = "\n".join(texts)
    script.sha = hashlib.sha1(script.text.encode(), usedforsecurity=False).hexdigest()
    return script


SCRIPTS: dict[Algorithm, Script] = {
    algorithm: _join("clock", "index", algorithm, "decide") for algorithm in get_args(Algorithm)
}
REPAIRS: dict[Algorithm, Script] = {
    algorithm: _join("clock", "repair", "index", algorithm, "decide") for algorithm in SCRIPTS
}
RESET = _join("clock", "reset")
