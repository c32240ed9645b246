"""Decide which of this Cache's running loads a caller may join.

A caller may join a load only if its value can't be older than the caller. So it depends on the
phase that the load is in:

    pending          it hasn't called the loader yet
    under_lease      it's calling the loader, and the caller has just read its lease: no
                     invalidation has removed it
    without_redis    it's calling the loader while Redis is unavailable; an invalidation by this
                     Cache closes it to new callers

A pending load goes on to one of the other two phases, or returns a value that another load stored.
"""

import asyncio

from course_lib.cache.contents import UNAVAILABLE
from course_lib.cache.loader import LoadRequest


class SharedLoad:
    """A load of this Cache, which any number of callers can await.

    It asks for the lease until Redis grants it or returns a value. That value is new enough only
    for callers that joined before the attempt that returned it. Before a later caller joined, an
    invalidation may have removed it.
    """

    task: asyncio.Task[bytes]

    def __init__(self, request: LoadRequest) -> None:
        self.request = request
        self.attempt = 0  # requests for the lease so far
        self.answered_by = 0  # the last attempt that returned an entry's content, not the lease
        self.called_loader = False

    def is_new_enough(self, attempt: int) -> bool:
        """Return True if a caller that joined at this attempt may have the value.

        The attempt under way doesn't count: Redis may have answered it before the caller joined.
        """
        return self.called_loader or self.answered_by > attempt

    def is_of_this_loop(self) -> bool:
        """Return True if the running event loop runs it, so that its task can be awaited here."""
        return self.task.get_loop() is asyncio.get_running_loop()


class Phase:
    """The loads that are in one phase, each under a name: its entry's key, or its lease."""

    def __init__(self) -> None:
        self._loads: dict[bytes, SharedLoad] = {}

    def enter(self, name: bytes, load: SharedLoad) -> None:
        """Add a load. It replaces an older one with the same name."""
        self._loads[name] = load

    def leave(self, name: bytes, load: SharedLoad) -> None:
        """Remove a load, unless a newer one has replaced it."""
        if self._loads.get(name) is load:
            del self._loads[name]

    def find(self, name: bytes) -> SharedLoad | None:
        """Return the load with this name, if it can be awaited in the running event loop."""
        load = self._loads.get(name)
        if load and load.is_of_this_loop():
            return load
        return None

    def close(self, name: bytes | None = None) -> None:
        """Let no new caller find the load with this name, or any load."""
        if name is None:
            self._loads.clear()
        else:
            self._loads.pop(name, None)


class JoinableLoads:
    """The loads that are running in this Cache, by phase."""

    def __init__(self) -> None:
        self.pending = Phase()  # by key
        self.under_lease = Phase()  # by lease
        self.without_redis = Phase()  # by key

    def find(self, key: bytes, content: bytes | None) -> SharedLoad | None:
        """Return a load of this entry that a caller that starts now may join, if there is one.

        `content` is what the caller has just read from the entry: a lease, None or UNAVAILABLE.
        """
        if content == UNAVAILABLE:
            return self.without_redis.find(key)
        if content is not None:
            with_that_lease = self.under_lease.find(content)
            if with_that_lease:
                return with_that_lease
        return self.pending.find(key)
