"""The one place where processes start: each ends, and each temporary folder goes, when its owner does.

A Jupyter kernel may be interrupted, restarted or killed at any moment. Interrupt and restart signal its whole
process group; SIGKILL leaves it no time to tidy up. So a small guardian stands between it and each child:

    kernel --pipe--> guardian (in a session of its own) --> child (in a session of its own)

The guardian waits for the pipe to close, which the operating system sees to however the kernel ends, and then
ends the child with its process group. One more guardian keeps the kernel's folder and removes it when the
children are gone. A guardian is this file, run as a script with nothing but the standard library.

The guardians hold a shared lock on a file in the folder. Where nobody holds it the owner is dead, and the
next owner sweeps the folder away; as no process id is compared, none can be mistaken.

When a guardian is itself killed, `Child.end` and our ordinary exit still end its child. Only if we are killed
as well does the child stay.
"""

import atexit
import contextlib
import fcntl
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, ClassVar

PREFIX = "course-"
LOCK = "lifeline.lock"
GRACE = 1.0  # seconds between asking a child to terminate and killing it


class _Guardian:
    """This process's end of the pipe to a guardian, which says one line when it is ready."""

    living: ClassVar[set["_Guardian"]] = set()  # held here, or a dropped handle would close its pipe

    def __init__(
        self, *arguments: str, environment: Mapping[str, str] | None = None, errors: IO[bytes] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            bufsize=0,
            start_new_session=True,
        )
        assert self._process.stdin and self._process.stdout
        self._pipe = self._process.stdin
        try:
            _Guardian.living.add(self)
            with self._process.stdout as answer:
                self.first_line = os.fsdecode(answer.readline()).strip()
        except BaseException:  # the Stop button, say: nobody would own what is being started
            self.release()
            raise

    def alive(self) -> bool:
        """Whether the guardian, and so what it guards, still runs."""
        return self._process.poll() is None

    def release(self) -> None:
        """Close the pipe: the guardian begins to end what it guards."""
        self._pipe.close()
        _Guardian.living.discard(self)

    def end(self) -> None:
        """Close the pipe and wait until what was guarded has ended."""
        self.release()
        self._process.wait()

    def forget(self) -> None:
        """Leave the guardian to the process that this one was forked from."""
        self._pipe.close()
        self._process.returncode = 0


class Child(_Guardian):
    """A running process, `pid`, with its output in the file `log`. It runs until `end()` or our own end."""

    def __init__(self, command: Sequence[str], lock: Path, log: Path, environment: Mapping[str, str] | None) -> None:
        self.log = log
        try:
            with log.open("ab") as output:
                super().__init__(str(lock), *command, environment=environment, errors=output)
            if not self.first_line:
                super().end()
                raise RuntimeError(f"could not start {command[0]}: {self.tail(lines=1)}")
            self.pid = int(self.first_line)
        except BaseException:  # the Stop button again, after the guardian's first line
            if self in _Guardian.living:
                self.release()
            raise

    def __repr__(self) -> str:
        return f"<Child {self.pid}, {'running' if self.alive() else 'ended'}>"

    def end(self) -> None:
        """Terminate the process and its group, and kill after a second what is left; again is no error."""
        super().end()
        if self._process.returncode < 0:  # the guardian itself was killed
            _signal_group(self.pid, signal.SIGKILL)

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the output, for an error message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


_lock = threading.RLock()  # nobody forks while a guardian is being started
_keeper: _Guardian | None = None  # guards the folder
_numbers = itertools.count(1)  # of logs


def folder() -> Path:
    """Return this process's private folder (mode 0700), which goes when the process does.

    Its path is short, as macOS allows a socket's 104 bytes. A forked child gets a folder of its own.
    """
    global _keeper  # noqa: PLW0603
    with _lock:
        if _keeper is None or not _keeper.alive():
            _keeper = _Guardian()
        return Path(_keeper.first_line)


def start(arguments: Sequence[str | os.PathLike[str]], *, environment: Mapping[str, str] | None = None) -> Child:
    """Start a process, its output in a log of its own in `folder()`.

    `environment` stands in place of ours. RuntimeError when the process cannot be started.
    """
    command = [os.fspath(argument) for argument in arguments]
    with _lock:
        home = folder()
        log = home / f"{Path(command[0]).name}-{next(_numbers)}.log"
        return Child(command, home / LOCK, log, environment)


def _forget_parent() -> None:
    """In a forked child, let go of the pipes: it would keep them open after its parent's death."""
    global _keeper  # noqa: PLW0603
    for guardian in _Guardian.living:
        guardian.forget()
    _Guardian.living.clear()
    _keeper = None
    _lock.release()


def _end_all() -> None:
    guardians = list(_Guardian.living)
    for guardian in guardians:
        guardian.release()
    for guardian in guardians:
        guardian.end()


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget_parent)
atexit.register(_end_all)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS forbids it where all are zombies
        os.killpg(group, number)


# What follows runs in the guardians.


def _guard_folder() -> None:
    """Make a folder and say its path; at end-of-file wait for the children and remove it."""
    # A folder gets its real name once it is locked: nobody's sweep meets one half made.
    hidden = Path(tempfile.mkdtemp(prefix="." + PREFIX))
    with open(hidden / LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        path = hidden.rename(hidden.with_name(hidden.name.removeprefix(".")))
        try:
            print(path, flush=True)
            _sweep(path.parent)
            os.read(sys.stdin.fileno(), 1)
            fcntl.flock(lock, fcntl.LOCK_EX)  # free when the last child's guardian has ended
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _sweep(base: Path) -> None:
    """Remove the folders whose owners are dead."""
    for path in base.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError), open(path) as lock:
            if os.fstat(lock.fileno()).st_uid == os.getuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its owner lives
                shutil.rmtree(path.parent, ignore_errors=True)


def _guard_child(lock_path: str, *command: str) -> None:
    """Start a child and say its process id; end it at end-of-file. Ends by itself when the child does."""
    with open(lock_path) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True)

        def end_at_end_of_file() -> None:
            os.read(sys.stdin.fileno(), 1)
            _signal_group(child.pid, signal.SIGTERM)
            time.sleep(GRACE)
            _signal_group(child.pid, signal.SIGKILL)

        try:
            print(child.pid, flush=True)
            threading.Thread(target=end_at_end_of_file, daemon=True).start()
            child.wait()
        finally:
            _signal_group(child.pid, signal.SIGKILL)  # its descendants, or itself where we were told to end


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if len(sys.argv) == 1:
        _guard_folder()
    else:
        _guard_child(*sys.argv[1:])
