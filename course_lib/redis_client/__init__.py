"""Connect to Redis and keep its failures out of a request: bounded pool, time limits, a breaker.

    redis = redis_client.connect("redis://localhost:6379/0")
    await redis_client.verify(redis)  # at start-up
    value = await CircuitBreaker.of(redis).call(redis.get, "key")  # or RedisUnavailable

Read `client.py` first, then `breaker.py`. The other files:

    address.py, url_options.py   the servers in a URL, and its options
    settings.py                  checks of the options of `connect` and of a breaker
    slots.py                     which commands may run now
    time_limits.py               how long a command may run, and how long connecting may take
    refusals.py                  which errors mean that Redis is unavailable
    outage_log.py                a line when an outage begins, and one when it ends
    connections.py               what pools and clusters have in common
    guarded_connection.py        connections that try once, and report to the breaker
    idle_connections.py          connections that our commands reuse without asking the pool
    script.py                    Lua scripts, by their SHA-1
    verification.py              `verify`: can this server and this user do what we need?
"""

from course_lib.redis_client.breaker import CircuitBreaker, RedisUnavailable
from course_lib.redis_client.client import Client, connect, pool
from course_lib.redis_client.connections import check_client, check_reads_from_primaries
from course_lib.redis_client.script import Script
from course_lib.redis_client.verification import verify

__all__ = [
    "CircuitBreaker",
    "Client",
    "RedisUnavailable",
    "Script",
    "check_client",
    "check_reads_from_primaries",
    "connect",
    "pool",
    "verify",
]
