"""Tell monitors that their process has been forked.

gunicorn with `--preload` creates the app, and so its monitor, once, and then forks the workers. If
they went on counting in a copy, they would report one another's requests under the same ID.
"""

import os
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

Owner = TypeVar("Owner")

_in_child: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def call_in_child(owner: Owner, method: Callable[[Owner], None]) -> None:
    """Call a method of an object in each forked child, as long as the object exists."""
    _in_child[owner] = method


def _call_all() -> None:
    for owner, method in list(_in_child.items()):
        method(owner)


if hasattr(os, "register_at_fork"):  # Windows has no forks
    os.register_at_fork(after_in_child=_call_all)
