"""Check at start-up that a Redis server can be used, so that no limit is off without notice."""

import logging
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis, RedisCluster
from redis.exceptions import NoPermissionError, ResponseError

from course_lib.checks import check_texts
from course_lib.redis_client.breaker import CircuitBreaker
from course_lib.redis_client.connections import check_client
from course_lib.redis_client.idle_connections import BYTES
from course_lib.redis_client.script import Script

OLDEST = (6, 2)  # the first version with ZADD GT, which the limiter needs
SAFE_POLICY, SAFEST_EVICTING_POLICY = "noeviction", "volatile-ttl"
KEYS = ("{cache}:verify", "{limit:verify}:verify", "{monitor}:verify")
"""A key in each of the default namespaces."""

VERIFY = Script(__package__, "verify")

log = logging.getLogger(__package__)


async def verify(redis: Redis, *, keys: Sequence[str] = KEYS) -> None:
    """Check that Redis responds, is new enough, and lets this user run what we need.

    `keys` has a key in each namespace in use, which nothing else uses. Raises TypeError or
    ValueError if that isn't a list of keys. Raises RuntimeError, which says what to do, if the
    server is too old, is a replica, is part of a cluster that the client doesn't know, if the user
    lacks a right, or if a command was renamed. Raises RedisUnavailable if Redis can't be used now,
    and redis-py's AuthenticationError if the password is wrong. Logs a warning if the eviction
    policy may remove the cache's indexes; at INFO for `volatile-ttl`, which does so less often.
    """
    check_client(redis)
    check_texts("keys", keys)
    if not keys:
        raise ValueError("keys is empty: pass a key in each namespace, such as '{cache}:verify'")
    for server in await _greetings(redis):
        _check_server(server, is_clusters_client=isinstance(redis, RedisCluster))
    for key in keys:
        await _check_rights(redis, key)
    await _check_eviction(redis)


async def _greetings(redis: Redis) -> list[dict[bytes, Any]]:
    """Return what HELLO replies; every user may send it. A cluster's primaries reply each."""
    replies = [await _send(redis, options, "HELLO", **BYTES) for options in await _nodes(redis)]
    return [_pairs(reply) for reply in replies]


async def _nodes(redis: Redis) -> list[dict[str, Any]]:
    """Return the options of `execute_command` that address each primary, one after another."""
    if not isinstance(redis, RedisCluster):
        return [{}]
    await CircuitBreaker.of(redis).call(redis.initialize)
    return [{"target_nodes": [node]} for node in redis.get_primaries()]


async def _send(redis: Redis, options: dict[str, Any], *command: str, **more: Any) -> Any:
    return await CircuitBreaker.of(redis).call(redis.execute_command, *command, **options, **more)


def _pairs(reply: Any) -> dict[bytes, Any]:
    """Return a reply as a dict: in version 2 of the protocol, names and values alternate."""
    if not isinstance(reply, dict):
        names, values = reply[::2], reply[1::2]
        reply = dict(zip(names, values, strict=True))
    return {_bytes(name): value for name, value in reply.items()}


def _check_server(server: dict[bytes, Any], *, is_clusters_client: bool) -> None:
    version, mode = _bytes(server[b"version"]).decode(), server[b"mode"]
    major, minor, *_ = version.split(".")
    if (int(major), int(minor)) < OLDEST:
        raise RuntimeError(f"the server is Redis {version}, and ZADD GT needs 6.2: upgrade it")
    if _bytes(mode) == b"cluster" and not is_clusters_client:
        raise RuntimeError(
            "the server is a node of a Redis Cluster: connect to redis+cluster://host:port"
        )
    if _bytes(mode) == b"sentinel":
        raise RuntimeError(
            "the server is a sentinel: connect to redis+sentinel://host:port/name-of-the-primary"
        )
    if _bytes(server[b"role"]) != b"master":
        raise RuntimeError(
            "the server is a replica, which rejects writes: connect to its primary, or through "
            "sentinels, which know the primary: redis+sentinel://host:port/name"
        )


async def _check_rights(redis: Redis, key: str) -> None:
    namespace = key.removesuffix("verify")
    try:
        forbidden = await VERIFY.run(redis, [key])
    except NoPermissionError as error:
        raise RuntimeError(
            f"Redis forbids this user to run scripts with the key {key!r} ({error}): allow "
            f"+eval, +evalsha and the keys ~{namespace}* with ACL SETUSER, see docs/redis.md"
        ) from None
    except ResponseError as error:
        if not _is_unknown(error):
            raise
        raise RuntimeError(
            f"Redis doesn't run scripts ({error}): don't rename EVAL and EVALSHA in its "
            "configuration"
        ) from None
    if forbidden:
        rights = " ".join(f"+{command.decode().lower()}" for command in forbidden)
        raise RuntimeError(
            f"this user of Redis lacks commands: allow {rights} with ACL SETUSER, see "
            "docs/redis.md, and don't rename them in the configuration of Redis"
        )


async def _check_eviction(redis: Redis) -> None:
    """Warn if Redis may evict the index of a user's entries: no invalidation finds them then."""
    try:
        infos = [await _send(redis, options, "INFO", "memory") for options in await _nodes(redis)]
    except ResponseError as error:
        if not isinstance(error, NoPermissionError) and not _is_unknown(error):
            raise
        log.info("the eviction policy is not checked: this user of Redis can't run INFO")
        return
    policies = {info.get("maxmemory_policy", "noeviction") for info in infos}
    for policy in policies - {SAFE_POLICY}:
        log.log(
            logging.INFO if policy == SAFEST_EVICTING_POLICY else logging.WARNING,
            "a full Redis may evict the cache's indexes, and then invalidations miss entries: its "
            "maxmemory-policy is %s; noeviction never does that, volatile-ttl less often than "
            "others. Give Redis enough memory, and watch evicted_keys",
            policy,
        )


def _is_unknown(error: ResponseError) -> bool:
    """Return True if Redis doesn't know a command, for example because it was renamed."""
    return "unknown command" in str(error)


def _bytes(text: Any) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)
