"""Share one load between any number of concurrent misses, in this Cache and in others.

A caller that misses joins a running load if its value will be new enough, and starts one
otherwise:

    miss --> join or start --> await it --+-- its value is new enough -----------> return the value
      ^                                   +-- it failed, and this call started
      |                                   |   it, or it's the second to fail ----> raise the error
      +------- read the entry again <-----+-- otherwise

`joinable_loads.py` says which load a caller may join, and `load_runner.py` what a load does.
"""

import asyncio
from contextvars import ContextVar, copy_context
from typing import Any
from weakref import ref

from course_lib.cache.codec import Values
from course_lib.cache.contents import UNAVAILABLE, is_value, new_refresh_lease
from course_lib.cache.joinable_loads import JoinableLoads, SharedLoad
from course_lib.cache.load_runner import LoadRunner
from course_lib.cache.loader import LoadRequest
from course_lib.cache.shard import FRESH, GRANTED
from course_lib.cache.store import Store

_INSIDE: ContextVar[tuple[ref[SharedLoad], ...]] = ContextVar("_INSIDE", default=())
"""The loads whose loaders called the running code, also in tasks that they started.

The references are weak, because a connection that a loader opens keeps its context, and a load has
its value."""


class SharedLoads:
    """Starts the loads of this Cache, and lets callers wait for them."""

    def __init__(self, store: Store, values: Values) -> None:
        self._store = store
        self._joinable = JoinableLoads()
        self._runner = LoadRunner(store, values, self._joinable)
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def calls(self) -> int:
        """The number of times that a loader was called."""
        return self._runner.calls

    async def join_or_start(self, request: LoadRequest, content: bytes | None) -> tuple[bytes, str]:
        """Return an entry's content, and "miss" if this call ran the loader, else "wait".

        `content` is what the caller has just read from the entry: a lease, None or UNAVAILABLE.
        Raises RuntimeError if the load's own loader is calling, directly or through other loads.
        """
        retried = False
        while not is_value(content):
            joined = self._joinable.find(request.stored_key, content)
            load = joined or self._start_load(request, content)
            attempt = load.attempt
            if ref(load) in _INSIDE.get():
                raise RuntimeError(
                    f"the loader of {request.key!r} looks up its own key, so it would wait for "
                    "itself: call what it needs directly"
                )
            try:
                loaded = await asyncio.shield(load.task)
            except Exception:
                if not joined or retried:
                    raise
                retried = True
            else:
                if not joined:
                    outcome = "miss" if load.called_loader else "wait"
                    return loaded, outcome
                if load.is_new_enough(attempt):
                    return loaded, "wait"
            content = await self._store.read(request.stored_key)
        return content, "wait"

    def close_loads_without_redis(self, key: bytes | None = None) -> None:
        """Let no new caller join a load without Redis, of one key or all: it may be stale now.

        A load with a lease closes by itself, because a removal takes its lease away.
        """
        self._joinable.without_redis.close(key)

    async def read_or_refresh(self, request: LoadRequest) -> tuple[bytes | None, str]:
        """Return what an entry holds, and "stale" if that's a stale value, else "hit".

        If no load is refreshing the stale value, start one. Callers don't wait for it. If it fails,
        the next one starts after its time limit.
        """
        lease = new_refresh_lease()
        content, state = await self._store.refresh(
            request.stored_key, lease, request.longest_ms, request.stale_ms
        )
        if state == GRANTED:
            self._keep(asyncio.create_task(self._runner.refresh(request, lease)))
        outcome = "hit" if state == FRESH else "stale"
        return content, outcome

    async def wait(self) -> None:
        """Wait until the loads that are running have ended; each ends within its time limit."""
        loop = asyncio.get_running_loop()
        tasks = [task for task in self._tasks if task.get_loop() is loop]
        if tasks:
            await asyncio.wait(tasks)

    def _start_load(self, request: LoadRequest, content: bytes | None) -> SharedLoad:
        """Start a load in a task of its own, so that it goes on if its caller is cancelled.

        It enters its phase at once, because the next miss may come before the task begins.
        """
        load = SharedLoad(request)
        if content == UNAVAILABLE:
            self._joinable.without_redis.enter(request.stored_key, load)
            life = self._runner.run_without_redis(load)
        else:
            self._joinable.pending.enter(request.stored_key, load)
            life = self._runner.run(load)
        context = copy_context()
        context.run(_INSIDE.set, (*_INSIDE.get(), ref(load)))
        load.task = asyncio.create_task(life, context=context)
        load.task.add_done_callback(_retrieve_exception)
        self._keep(load.task)
        return load

    def _keep(self, task: asyncio.Task[Any]) -> None:
        """Keep a task until it has ended: the event loop alone could drop it."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _retrieve_exception(task: asyncio.Task[bytes]) -> None:
    """Retrieve a load's exception, or asyncio logs it as lost when all callers were cancelled."""
    if not task.cancelled():
        task.exception()
