"""Name the limiter's keys.

Keys in Redis, for the namespace `limit`. The braces keep the keys of a user in one slot of a Redis
Cluster:

    {limit:<user>}:<algorithm>                       index of what a user has spent: a sorted set of
                                                     "<limits> <endpoint>", by expiry
    {limit:<user>}:<algorithm>:<limit>:<endpoint>:   state of one limit; a counter's key ends with
                                                     the number of its window

Changing a limit resets its counters, because the limit is part of the key.
"""

import hashlib
import re

from course_lib.checks import check_text, check_user_id
from course_lib.limiter.clients import Identity

# Names that a key can hold unchanged. A brace ends a user's name, a colon ends the namespace, and
# "~" begins a digest.
PLAIN_USER = re.compile("[^}:~\ud800-\udfff][^}:\ud800-\udfff]{0,99}")
PLAIN_ENDPOINT = re.compile("[^~\ud800-\udfff][^\ud800-\udfff]{0,199}")


def index_of(namespace: str, user_id: Identity, algorithm: str) -> str:
    """Return the key of a user's index. The keys of all their limits begin with it."""
    user = _key_part(check_user_id(user_id), PLAIN_USER)
    return f"{{{namespace}:{user}}}:{algorithm}"


def endpoint_part(endpoint: str) -> str:
    """Return an endpoint's name for use in a key. Raises TypeError if it isn't a string."""
    check_text("endpoint", endpoint)
    return _key_part(endpoint, PLAIN_ENDPOINT)


def _key_part(name: str, plain: re.Pattern[str]) -> str:
    """Return a name for use in a key: its digest if it's long or could be mistaken for another."""
    if plain.fullmatch(name):
        return name
    content = name.encode(errors="surrogatepass")
    return "~" + hashlib.blake2b(content, digest_size=16).hexdigest()
