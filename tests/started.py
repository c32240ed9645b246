"""Record the processes that are started and the databases that are opened, by an audit hook.

A hook can't be removed. An alarm that's raised in it would be printed and lost.
"""

import sys

from course_lib.exercises import guard

PROCESS_EVENTS = {
    "subprocess.Popen",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
    "os.exec",
}
lists: list[list[str]] = []
"""The last of these gets what happens."""


def _record(event, arguments):
    is_file = event == "sqlite3.connect" and arguments[0] != ":memory:"
    if lists and (event in PROCESS_EVENTS or is_file):
        lists[-1].append(f"{event} {arguments}")


sys.addaudithook(_record)
guard.UNINTERRUPTED.add(id(globals()))
