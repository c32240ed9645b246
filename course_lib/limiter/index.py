"""Read the index of what a user has spent, and remove what isn't the limiter's."""

import logging
import re
from collections import Counter

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from course_lib.limiter.limits import Rules, rules_from_index
from course_lib.redis_client import CircuitBreaker, RedisUnavailable

log = logging.getLogger(__package__)

FOREIGN_CONTENT = re.compile("WRONGTYPE|not an integer|invalid expire")
"""Matches the errors of a script that met something else than a limiter's state under a key."""


async def read_index(
    redis: Redis, index: str, unavailable: Counter[str]
) -> list[tuple[str, Rules]]:
    """Return the endpoints and rules in an index; none while Redis is unavailable, counted."""
    try:
        return await _read(redis, index)
    except RedisUnavailable as error:
        unavailable[error.reason] += 1
        return []
    except ResponseError as error:
        if not FOREIGN_CONTENT.search(str(error)):
            raise
        log.warning("%s isn't the limiter's index, until the next request: %s", index, error)
        return []


async def _read(redis: Redis, index: str) -> list[tuple[str, Rules]]:
    key = index.encode()
    breaker = CircuitBreaker.of(redis, key)
    members: list[bytes] = await breaker.call(breaker.send, redis, "ZRANGE", key, 0, -1)
    entries = []
    for member in members:
        text, _, endpoint = member.decode(errors="replace").partition(" ")
        try:
            entries.append((endpoint, rules_from_index(text)))
        except ValueError:
            log.warning("removing %r from %s: it isn't the limiter's", member, index)
            await breaker.call(breaker.send, redis, "ZREM", key, member)
    return entries
