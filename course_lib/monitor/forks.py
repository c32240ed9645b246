"""Tell monitors that their process has been forked.

gunicorn with `--preload` creates the app, and so its monitor, once, and then forks the workers. If
they went on counting in a copy, they would report one another's requests under the same ID.
"""

import os
from collections.abc import Callable
from weakref import WeakMethod

_in_child: set[WeakMethod[Callable[[], None]]] = set()


def call_in_child(method: Callable[[], None]) -> None:
    """Call a method in each forked child, as long as its object exists."""
    # Threads may add and discard at the same time, because each call does one thing only.
    _in_child.add(WeakMethod(method, _in_child.discard))


def _call_all() -> None:
    for known in _in_child:
        if method := known():
            method()


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_call_all)
