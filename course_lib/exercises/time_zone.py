"""Run code in another time zone."""

import os
import time


class time_zone:  # noqa: N801  used like contextlib's own
    """`with time_zone(name):` sets the time zone of this process, then restores it."""

    def __init__(self, name: str) -> None:
        self.name, self.before = name, os.environ.get("TZ")

    def __enter__(self) -> None:
        os.environ["TZ"] = self.name
        time.tzset()

    def __exit__(self, *_: object) -> None:
        if self.before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = self.before
        time.tzset()
