"""Tell monitors that their process has been forked.

gunicorn with `--preload` creates the app, and so its monitor, once, and then forks the workers. If
they went on counting in a copy, they would report one another's requests under the same ID.
"""

import os
from collections.abc import Callable
from weakref import WeakMethod

_in_child: list[WeakMethod[Callable[[], None]]] = []


def call_in_child(method: Callable[[], None]) -> None:
    """Call a method in each forked child, as long as its object exists."""
    _in_child[:] = [known for known in _in_child if known() is not None]
    _in_child.append(WeakMethod(method))


def _call_all() -> None:
    for known in _in_child:
        if method := known():
            method()


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_call_all)
