"""Keep Redis's troubles out of a request: bounded connections, a time limit, and a circuit breaker.

A Redis that is down, paused or out of reach must cost a request little, and must not cost every request anew. So each
command has a time limit, and after a few failures in a row the breaker opens (Nygard, "Release It!", 2007): commands
are refused at once, until one that is let through as a trial succeeds.
"""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.client import NEVER_DECODE
from redis.exceptions import ConnectionError, NoScriptError, OutOfMemoryError, ReadOnlyError, TimeoutError

T = TypeVar("T")
BYTES = {NEVER_DECODE: True}
"""The option of `execute_command` that gives bytes, however the client was made."""

log = logging.getLogger(__package__)


def pool(url: str, *, max_connections: int = 50) -> BlockingConnectionPool:
    """A pool in which who finds no free connection waits for one (up to 20 s), and nothing is tried twice.

    redis-py's own defaults raise when the pool is full, and take 3 to 10 s to say that a server is away.
    """
    return BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=20,
        socket_connect_timeout=1.0,
        socket_timeout=1.0,
        retry=Retry(NoBackoff(), 0),
    )


def connect(url: str, *, max_connections: int = 50) -> Redis:
    """A client on a `pool` of its own, which `aclose()` closes; it connects with its first command."""
    client: Redis = Redis.from_pool(pool(url, max_connections=max_connections))
    return client


class RedisUnavailable(Exception):  # noqa: N818  a state of things, which callers meet by their policy
    """Redis did not answer in time, cannot be reached, or is not being asked because the breaker is open."""


class CircuitBreaker:
    """What stands between a caller and Redis; one for each connection pool, found by `CircuitBreaker.of`.

    `time_limit` (seconds) counts from when a command has a connection. `failures` in a row open the breaker; after
    `retry_after` seconds a single command is let through to try. As many commands run at once as the pool has
    connections; the others wait for their turn, and when the breaker opens they are refused at once.
    """

    STEPS: ClassVar[int] = 16
    _of_pools: ClassVar[WeakKeyDictionary[ConnectionPool, "CircuitBreaker"]] = WeakKeyDictionary()

    def __init__(
        self, connections: int, *, time_limit: float = 0.08, failures: int = 3, retry_after: float = 1.0
    ) -> None:
        self.time_limit, self.failures, self.retry_after = time_limit, failures, retry_after
        self._most_idle = connections // 5
        self._idle_connections: list[AbstractConnection] = []  # of the pool's, by `send`
        self._free_slots = connections - self._most_idle
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._running: set[_RunningCommand] = set()
        self._watching: asyncio.AbstractEventLoop | None = None
        self._failed = 0
        self._retry_at = 0.0  # by the loop's clock, while open

    @classmethod
    def of(cls, redis: Redis) -> "CircuitBreaker":
        """The breaker of a client's pool: what shares connections shares the knowledge that Redis is away."""
        pool = redis.connection_pool
        breaker = cls._of_pools.get(pool)
        if breaker is None:
            breaker = cls._of_pools[pool] = cls(pool.max_connections)
        return breaker

    @property
    def is_open(self) -> bool:
        """Whether Redis is held to be away."""
        return self._failed >= self.failures

    async def call(self, command: Callable[..., Awaitable[T]], *arguments: Any, **options: Any) -> T:
        """Await `command(*arguments, **options)`; RedisUnavailable where Redis does not answer."""
        loop = asyncio.get_running_loop()
        if self._failed >= self.failures:
            self._reject_unless_trial(loop.time())
        if self._free_slots:
            self._free_slots -= 1
        else:
            await self._acquire_slot(loop)
        running = _RunningCommand(self.STEPS + 1)  # the first is cut short
        self._running.add(running)
        if self._watching is not loop:
            self._watch(loop)
        try:
            result = await command(*arguments, **options)
        except (OutOfMemoryError, ReadOnlyError) as error:
            self._succeeded()  # it answers, and cannot take this command
            raise RedisUnavailable(f"Redis refuses: {error}") from error
        except (ConnectionError, TimeoutError, OSError) as error:
            self._note_failure(loop.time(), error)
            raise RedisUnavailable(f"Redis is away: {_cause(error)}") from error
        except asyncio.CancelledError as error:
            if not running.overdue or running.task.cancelling() > running.cancelling + 1:
                raise  # somebody else cancelled it
            self._note_failure(loop.time(), error)
            raise RedisUnavailable(f"Redis is away: no answer within {self.time_limit:g} s") from error
        except Exception:
            self._succeeded()
            raise
        finally:
            self._running.remove(running)
            if running.overdue:
                running.task.uncancel()
            self._release_slot()
        if self._failed:
            self._succeeded()
        return result

    async def send(self, redis: Redis, *command: str | bytes | float) -> Any:
        """Send a command from within a `call`, on a connection that is kept for the next; the reply, strings as bytes.

        Half of what redis-py spends on a command goes into taking a connection from the pool, giving it back, and
        time-outs of its own, which a call has already.
        """
        pool = redis.connection_pool
        connection = self._idle_connections.pop() if self._idle_connections else None
        try:
            if connection:
                await pool.ensure_connection(connection)  # as the pool does: the server may have closed it
            else:
                connection = await pool.get_connection()  # type: ignore[no-untyped-call]
                connection.socket_timeout = None
            await connection.send_command(*command)
            return await connection.read_response(disable_decoding=True)
        finally:
            if connection and len(self._idle_connections) < self._most_idle:
                self._idle_connections.append(connection)
            elif connection:
                connection.socket_timeout = pool.connection_kwargs.get("socket_timeout")
                await pool.release(connection)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take a step of the time limit from each running command, and cancel those that have none left.

        In steps: where this process itself is busy each takes longer, and an answer that lies ready is read.
        """
        for running in self._running:
            running.steps_left -= 1
            if not running.steps_left:
                running.overdue = running.task.cancel()
        self._watching = loop if self._running else None
        if self._running:
            loop.call_later(self.time_limit / self.STEPS, self._watch, loop)

    def _reject_unless_trial(self, now: float) -> None:
        if now < self._retry_at:
            raise RedisUnavailable("Redis is away: it is not asked again before the breaker closes")
        self._retry_at = now + self.retry_after

    async def _acquire_slot(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait for a command to end and take its place."""
        turn = loop.create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._release_slot()  # cancelled just after the place had become ours
            raise

    def _release_slot(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free_slots += 1

    def _succeeded(self) -> None:
        if self.is_open:
            log.info("Redis is back")
        self._failed = 0

    def _note_failure(self, now: float, error: BaseException) -> None:
        self._failed += 1
        self._retry_at = now + self.retry_after
        if self._failed == self.failures:
            log.warning("Redis is away (%s); it is tried again every %g s", _cause(error), self.retry_after)
        if self.is_open:
            waiting, self._waiting = self._waiting, deque()
            for turn in waiting:
                if not turn.done():
                    turn.set_exception(RedisUnavailable("Redis is away: the breaker opened while this command waited"))


class _RunningCommand:
    """A command on its way, and the steps of its time limit that are left."""

    __slots__ = ("cancelling", "overdue", "steps_left", "task")

    def __init__(self, steps: int) -> None:
        task = asyncio.current_task()
        assert task
        self.task, self.cancelling = task, task.cancelling()
        self.steps_left, self.overdue = steps, False


class Script:
    """A Lua script of a package's `lua/`, sent by its SHA-1, and in full only to a server that does not know it.

    Called through EVALSHA (https://redis.io/docs/latest/develop/programmability/eval-intro/): atomic, and one trip.
    """

    def __init__(self, package: str, name: str) -> None:
        self.text = (files(package) / "lua" / f"{name}.lua").read_text()
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, redis: Redis, keys: Sequence[str], *arguments: str | bytes | float) -> Any:
        """What the script returns, strings as bytes."""
        # A client with ways of its own, such as one that notes its commands, is asked by them.
        plain = type(redis).execute_command is Redis.execute_command
        send = CircuitBreaker.of(redis).send if plain else _send_as_client
        try:
            return await send(redis, "EVALSHA", self.sha, len(keys), *keys, *arguments)
        except NoScriptError:
            return await send(redis, "EVAL", self.text, len(keys), *keys, *arguments)


async def _send_as_client(redis: Redis, *command: str | bytes | float) -> Any:
    return await redis.execute_command(*command, **BYTES)  # type: ignore[no-untyped-call]


def _cause(error: BaseException) -> str:
    return str(error) or type(error).__name__
