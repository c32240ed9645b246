"""A Redis client for cells and checks that keeps to the keys under a prefix.

    client.get("key")   --> GET lesson:key
    client.keys("k*")   --> KEYS lesson:k*, and the replies come back without "lesson:"
    client.flushall()   --> ValueError: it could reach other keys

It also records its `commands`, so that an exercise can see which ones an answer sent.
"""

import asyncio
from typing import Any

import redis
from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio.client import Pipeline

from course_lib import redis_client

# Seconds. On a busy machine Redis may respond late, which isn't what a lesson is about: with the
# library's own limit, a cache would count misses, and a limiter would let every request through.
TIME_LIMIT = 2.0

# Which arguments of a command are keys. A client with a prefix sends no command that isn't listed.
_ONE_KEY = """
    GET SET SETNX SETEX PSETEX GETEX GETDEL GETSET STRLEN APPEND INCR INCRBY INCRBYFLOAT DECR DECRBY
    EXPIRE PEXPIRE EXPIREAT PEXPIREAT EXPIRETIME PEXPIRETIME PERSIST TTL PTTL TYPE
    SADD SREM SMEMBERS SISMEMBER SMISMEMBER SCARD SPOP SRANDMEMBER SSCAN
    HSET HGET HMGET HGETALL HDEL HINCRBY HLEN HSCAN HSETNX HEXISTS HKEYS HVALS
    ZSCAN ZADD ZINCRBY ZRANGE ZRANGEBYSCORE ZREM ZREMRANGEBYSCORE
    ZREMRANGEBYRANK ZPOPMIN ZPOPMAX ZSCORE ZMSCORE ZRANK ZREVRANK ZREVRANGE ZCARD ZCOUNT
    LPUSH RPUSH LPOP RPOP LRANGE LINDEX LLEN LREM LTRIM"""
_NO_KEY = ["PING", "ECHO", "TIME", "INFO", "SCRIPT LOAD", "SCRIPT EXISTS", "UNWATCH"]
_PATTERN = ["KEYS", "SCAN"]
_KEY_POSITIONS = {
    **dict.fromkeys([*_ONE_KEY.split(), "MEMORY USAGE"], slice(1)),
    **dict.fromkeys(["MGET", "DEL", "UNLINK", "EXISTS", "WATCH"], slice(None)),
    "MSET": slice(None, None, 2),
    **dict.fromkeys(["RENAME", "RENAMENX"], slice(2)),
    **dict.fromkeys([*_NO_KEY, *_PATTERN], slice(0)),
}


def _key_positions(command: str, arguments: list[Any]) -> slice | None:
    """Return which arguments of a command are keys, or None if the command isn't listed."""
    if command in {"EVAL", "EVALSHA"}:
        number_of_keys = int(arguments[1])
        return slice(2, 2 + number_of_keys)
    return _KEY_POSITIONS.get(command)


class _Namespaced:
    """Records every command and puts its keys under `prefix`; for a client and its pipelines."""

    prefix: str
    commands: list[tuple[str, ...]]
    """The commands so far: the name in capitals, and the keys without the prefix."""

    def execute_command(self, name: Any, *arguments: Any, **options: Any) -> Any:
        """Send a command. Raises ValueError if it could reach keys outside of the namespace."""
        command = _text(name).upper()
        sent = list(arguments)
        positions = _key_positions(command, sent)
        keys = sent[positions] if positions else []
        self.commands.append((command, *map(_text, keys)))
        if self.prefix:
            if positions is None:
                raise self._out_of_reach(command)
            sent[positions] = [self._under_prefix(key) for key in keys]
            if command == "KEYS":
                sent[0] = self._under_prefix(sent[0])
            elif command == "SCAN":
                self._narrow_scan(sent)
        return super().execute_command(name, *sent, **options)  # type: ignore[misc]

    def _out_of_reach(self, command: str) -> ValueError:
        return ValueError(
            f"{command} is not sent: this client keeps to the keys under {self.prefix!r}, and "
            "that command could reach others. To remove its keys, use `await client.clear()`."
        )

    def _under_prefix(self, key: Any) -> str | bytes:
        if isinstance(key, bytes):
            return self.prefix.encode() + key
        return f"{self.prefix}{key}"

    def _narrow_scan(self, arguments: list[Any]) -> None:
        """Narrow a SCAN (cursor, option, value, option, value, ...) to the namespace."""
        options = [_text(option).upper() for option in arguments[1::2]]
        if "MATCH" not in options:
            options.append("MATCH")
            arguments += ["MATCH", "*"]
        pattern = 2 + 2 * options.index("MATCH")
        arguments[pattern] = self._under_prefix(arguments[pattern])


class _NamespacedPipeline(_Namespaced, Pipeline):  # type: ignore[misc]  # redis-py's bases disagree
    """A pipeline of a `Client`."""


class Client(_Namespaced, redis.asyncio.Redis):  # type: ignore[misc]
    """redis-py's asyncio client that records its `commands` and works in several event loops.

    With a `prefix`, every key is put under it, replies of KEYS and SCAN come back without it, and
    a command that could reach other keys raises ValueError. A Lua script could reach them too, so
    let a script use its KEYS only.
    """

    def __init__(self, url: str, prefix: str = "", **options: Any) -> None:
        self.prefix = prefix
        self.commands = []
        self._url = url
        self._options = options
        self._pools: dict[asyncio.AbstractEventLoop, BlockingConnectionPool] = {}
        super().__init__(connection_pool=self._new_pool())
        self.auto_close_connection_pool = True
        if prefix:
            self.response_callbacks["KEYS"] = self._without_prefix
            self.response_callbacks["SCAN"] = self._scan_without_prefix

    def __repr__(self) -> str:
        return "redis"  # because it appears in the calls that a check shows

    @property
    def connection_pool(self) -> ConnectionPool:
        """The pool of the running event loop, because event loops can't share connections."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._settings
        if loop not in self._pools:
            for other in list(self._pools):
                if other.is_closed():
                    self._pools.pop(other, None)
            self._pools[loop] = self._new_pool()
        return self._pools[loop]

    @connection_pool.setter
    def connection_pool(self, pool: ConnectionPool) -> None:
        # Set by redis-py's own __init__. Outside of an event loop it's read for settings only.
        self._settings = pool

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Return a pipeline whose keys are under the same prefix."""
        pipeline = _NamespacedPipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )
        pipeline.prefix = self.prefix
        pipeline.commands = self.commands
        return pipeline

    def monitor(self) -> Any:
        """Return redis-py's monitor. Raises ValueError in a namespace: it shows every client."""
        if self.prefix:
            raise self._out_of_reach("MONITOR")
        return super().monitor()

    def pubsub(self, **options: Any) -> Any:
        """Return redis-py's pubsub. Raises ValueError in a namespace: channels are shared."""
        if self.prefix:
            raise self._out_of_reach("SUBSCRIBE")
        return super().pubsub(**options)

    async def clear(self) -> int:
        """Remove all keys of the namespace and return how many there were.

        Raises ValueError without a namespace, because it would remove every client's keys.
        """
        if not self.prefix:
            raise ValueError(
                "clear() removes the keys of a namespace, and this client has none: "
                "pass a namespace to redis_server.client()"
            )
        cursor = removed = 0
        while True:
            cursor, keys = await self.scan(cursor, count=1000)
            if keys:
                removed += await self.unlink(*keys)
            if not cursor:
                return removed

    def _new_pool(self) -> BlockingConnectionPool:
        pool = redis_client.pool(self._url)
        pool.connection_kwargs.update(self._options)
        redis_client.CircuitBreaker(pool, time_limit=TIME_LIMIT)
        return pool

    def _without_prefix(self, response: Any, **_: Any) -> list[Any]:
        return [key[len(self.prefix) :] for key in response]

    def _scan_without_prefix(self, response: Any, **_: Any) -> tuple[int, list[Any]]:
        cursor, keys = response
        return int(cursor), self._without_prefix(keys)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
