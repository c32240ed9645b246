"""Live in another time zone for a while."""

import os
import time


class time_zone:  # noqa: N801  used like contextlib's own
    """`with time_zone(name):` this process lives in another time zone for a while."""

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
