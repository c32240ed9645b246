"""Start every process, and end it, and remove its temporary folder, when its owner ends.

A Jupyter kernel can be interrupted, restarted or killed at any time. Interrupt and restart signal
its whole process group; SIGKILL leaves it no time to clean up. So a small guardian process runs
between the kernel and each child:

    kernel --pipe--> guardian (in a session of its own) --> child (in a session of its own)

The guardian waits for the pipe to close, which the operating system guarantees however the kernel
ends. Then it ends the child with its process group. One more guardian keeps the kernel's folder
and removes it after the last child. A guardian is this file, run as a script that imports only the
standard library.

The guardians hold a shared lock on a file in the folder. If no process holds the lock, the owner
is dead, and the next owner removes the folder. Comparing process IDs could mistake one process for
another; a lock can't.

If a guardian itself is killed, `Child.end` and our ordinary exit still end its child. The child
survives only if we're killed too.
"""

import atexit
import contextlib
import fcntl
import itertools
import os
import shutil
import signal
import stat
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
GRACE = 1.0  # seconds between SIGTERM and SIGKILL


class _Guardian:
    """This process's end of the pipe to a guardian, which prints one line when it's ready."""

    # Holds references, because a dropped guardian would close its pipe.
    living: ClassVar[set["_Guardian"]] = set()

    def __init__(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        errors: IO[bytes] | None = None,
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
            with self._process.stdout as output:
                self.first_line = os.fsdecode(output.readline()).strip()
        except BaseException:  # such as the Stop button: the caller would never own the guardian
            self.release()
            raise

    def alive(self) -> bool:
        """Return True if the guardian, and therefore what it guards, still runs."""
        return self._process.poll() is None

    def release(self) -> None:
        """Close the pipe, so that the guardian starts to end what it guards."""
        self._pipe.close()
        _Guardian.living.discard(self)

    def end(self) -> None:
        """Close the pipe and wait until the guardian has ended what it guards."""
        self.release()
        self._process.wait()

    def forget(self) -> None:
        """Leave the guardian to the process that forked this one."""
        self._pipe.close()
        self._process.returncode = 0


class Child(_Guardian):
    """A running process, `pid`, with its output in the file `log`; it ends with us or earlier."""

    def __init__(
        self,
        command: Sequence[str],
        lock: Path,
        log: Path,
        environment: Mapping[str, str] | None,
    ) -> None:
        self.log = log
        try:
            with log.open("ab") as output:
                arguments = (str(lock), *command)
                super().__init__(*arguments, environment=environment, errors=output)
            if not self.first_line:
                super().end()
                raise RuntimeError(f"could not start {command[0]}: {self.tail(lines=1)}")
            self.pid = int(self.first_line)
        except BaseException:  # the Stop button, after the guardian's first line
            if self in _Guardian.living:
                self.release()
            raise

    def __repr__(self) -> str:
        return f"<Child {self.pid}, {'running' if self.alive() else 'ended'}>"

    def end(self) -> None:
        """Terminate the process and its group; a second later, kill what is left of them.

        Does nothing if the process has ended.
        """
        super().end()
        if self._process.returncode < 0:  # the guardian itself was killed
            _signal_group(self.pid, signal.SIGKILL)

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the output, for an error message."""
        output = self.log.read_text(errors="replace").splitlines()
        return "\n".join(output[-lines:])


_lock = threading.RLock()  # no thread may fork while a guardian is being started
_folder_guardian: _Guardian | None = None
_log_numbers = itertools.count(1)


def folder() -> Path:
    """Return this process's private folder (mode 0700), which is removed when the process ends.

    Its path is short, because macOS allows a socket's path 104 bytes. A forked child gets a folder
    of its own, and so does a process whose folder was removed. Raises OSError, which says what to
    do, if no temporary folder can be written.
    """
    global _folder_guardian  # noqa: PLW0603
    with _lock:
        if _folder_guardian and not _has_folder(_folder_guardian):
            _folder_guardian.release()
            _folder_guardian = None
        if _folder_guardian is None:
            guardian = _Guardian()
            if not _has_folder(guardian):
                guardian.end()
                raise OSError(
                    "no folder for temporary files can be used, because its disk is full or "
                    "read-only, or its path has a line feed: set TMPDIR to a folder that you can "
                    "write to, and restart the kernel"
                )
            _folder_guardian = guardian
        return Path(_folder_guardian.first_line)


def _has_folder(guardian: _Guardian) -> bool:
    """Return False if its folder is gone: systems remove what's old in the temporary folder."""
    return guardian.alive() and os.path.isdir(guardian.first_line)


def start(
    arguments: Sequence[str | os.PathLike[str]], *, environment: Mapping[str, str] | None = None
) -> Child:
    """Start a process that writes its output to a log of its own in `folder()`.

    `environment` replaces ours. Raises RuntimeError if the process can't be started.
    """
    command = [os.fspath(argument) for argument in arguments]
    with _lock:
        home = folder()
        program = Path(command[0]).name
        log = home / f"{program}-{next(_log_numbers)}.log"
        return Child(command, home / LOCK, log, environment)


def _forget_parent() -> None:
    """Close the pipes in a forked child, which would keep them open after its parent's death."""
    global _folder_guardian  # noqa: PLW0603
    for guardian in _Guardian.living:
        guardian.forget()
    _Guardian.living.clear()
    _folder_guardian = None
    _lock.release()


def _end_all() -> None:
    guardians = list(_Guardian.living)
    for guardian in guardians:  # all of them first, so that none has to wait for another
        guardian.release()
    for guardian in guardians:
        guardian.end()


os.register_at_fork(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_forget_parent
)
atexit.register(_end_all)


def _signal_group(group: int, number: int) -> None:
    # macOS raises PermissionError if the group consists of zombies.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


# --- what runs in the guardians -------------------------------------------------------------------


def _guard_folder() -> None:
    """Create a folder and print its path; at end-of-file wait for the children and remove it."""
    # The folder gets its real name once it's locked, so no sweep sees it without a lock.
    try:
        hidden = Path(tempfile.mkdtemp(prefix="." + PREFIX)).absolute()
    except OSError:
        return  # without printing a path, which `folder` reports
    try:
        (hidden / LOCK).touch()
    except OSError:
        hidden.rmdir()
        return
    with open(hidden / LOCK) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        path = hidden.rename(hidden.with_name(hidden.name.removeprefix(".")))
        try:
            with contextlib.suppress(BrokenPipeError):  # Stop was pressed, so nothing reads it
                os.write(sys.stdout.fileno(), os.fsencode(f"{path}\n"))
            _sweep(path.parent)
            os.read(sys.stdin.fileno(), 1)
            fcntl.flock(lock, fcntl.LOCK_EX)  # released by the last child's guardian
        finally:
            shutil.rmtree(path, ignore_errors=True)


def _sweep(base: Path) -> None:
    """Remove the folders of dead owners; leave alone whatever else has such a name."""
    for path in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError), _open_own(path / LOCK) as lock:
            # Raises BlockingIOError if the owner lives.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)


def _open_own(lock: Path) -> IO[bytes]:
    """Open the lock of a folder. Raises OSError if it's a link, no file, or another user's.

    Another user may have put a FIFO there, and opening one waits for a writer without O_NONBLOCK.
    """
    folder = os.lstat(lock.parent)
    descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    file = os.fdopen(descriptor, "rb")
    status = os.fstat(descriptor)
    is_own = {folder.st_uid, status.st_uid} == {os.getuid()}
    are_right_kinds = stat.S_ISDIR(folder.st_mode) and stat.S_ISREG(status.st_mode)
    if is_own and are_right_kinds:
        return file
    file.close()
    raise PermissionError(f"{lock.parent} isn't our folder")


def _guard_child(lock_path: str, *command: str) -> None:
    """Start a child and print its process ID; end it at end-of-file, or end when it does."""
    with open(lock_path) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sys.stderr, start_new_session=True
        )

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
            # Its descendants; the child itself too, if we got SIGTERM.
            _signal_group(child.pid, signal.SIGKILL)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if len(sys.argv) == 1:
        _guard_folder()
    else:
        _guard_child(*sys.argv[1:])
