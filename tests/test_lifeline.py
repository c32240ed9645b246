"""A child and a folder live as long as the process that started them, a kernel or a script."""

import ast
import contextlib
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from course_lib.lab import lifeline

SLEEP = ["sleep", "1000"]
STUBBORN = ["sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.1; done"]


def wait_until(happened: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill(process: psutil.Process) -> None:
    process.kill()
    wait_until(lambda: not running(process.pid))


def processes_of(base: Path) -> list[psutil.Process]:
    """Return the processes whose temporary folder is `base`: owners, guardians, children."""
    processes = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(base):
                processes.append(process)
        except (psutil.Error, OSError):  # a zombie, or another user's
            continue
    return processes


def command_line(process: psutil.Process) -> list[str]:
    """Return how a process was started, or nothing if it has just ended."""
    try:
        return process.cmdline()
    except (psutil.Error, OSError):
        return []


def nothing_left(base: Path) -> bool:
    return not processes_of(base) and not list(base.iterdir())


@pytest.fixture
def base() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="lifeline-"))
    yield path
    for process in processes_of(path):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    shutil.rmtree(path, ignore_errors=True)


class Kernel:
    """A real Jupyter kernel that has a folder and a child."""

    def __init__(self, base: Path) -> None:
        self.manager = KernelManager()
        self.manager.start_kernel(env={**os.environ, "TMPDIR": str(base)})
        self.client: BlockingKernelClient = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.begin()

    def begin(self) -> None:
        self.run(f"from course_lib.lab import lifeline; child = lifeline.start({SLEEP})")
        self.folder, self.child = self.value("(str(lifeline.folder()), child.pid)")

    def run(self, code: str) -> None:
        assert self.client.execute(code, reply=True, timeout=60)["content"]["status"] == "ok"

    def value(self, expression: str) -> tuple[Path, int]:
        reply = self.client.execute(
            "", user_expressions={"value": expression}, reply=True, timeout=60
        )
        folder, pid = ast.literal_eval(
            reply["content"]["user_expressions"]["value"]["data"]["text/plain"]
        )
        return Path(folder), pid

    def has_all(self) -> bool:
        return running(self.child) and self.folder.is_dir()

    def end(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(base: Path) -> Iterator[Kernel]:
    kernel = Kernel(base)
    yield kernel
    kernel.end()


@pytest.mark.measures
def test_interrupt_leaves_the_children_running_and_restart_leaves_nothing(
    kernel: Kernel, base: Path
) -> None:
    request = kernel.client.execute("import time; time.sleep(60)")
    wait_until(lambda: kernel.client.get_iopub_msg(timeout=10)["msg_type"] == "execute_input")
    kernel.manager.interrupt_kernel()
    reply = kernel.client.get_shell_msg(timeout=10)
    assert reply["parent_header"]["msg_id"] == request
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert kernel.has_all()
    assert (
        kernel.value("(str(lifeline.folder()), lifeline.start(['sleep', '1000']).pid)")[0]
        == kernel.folder
    )

    before = processes_of(base)
    folder = kernel.folder
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=60)
    wait_until(lambda: not any(running(process.pid) for process in before) and not folder.exists())
    kernel.begin()
    assert kernel.has_all()


def test_a_kernel_that_is_shut_down_or_killed_leaves_nothing_and_another_keeps_its_own(
    kernel: Kernel, base: Path
) -> None:
    shut_down, killed = Kernel(base), Kernel(base)
    assert len({kernel.folder, shut_down.folder, killed.folder}) == 3
    shut_down.client.shutdown(reply=True, timeout=10)
    killed.manager.signal_kernel(signal.SIGKILL)
    for ended in (shut_down, killed):
        wait_until(lambda ended=ended: not running(ended.child) and not ended.folder.exists())
        ended.end()
    assert kernel.has_all()
    kernel.end()
    wait_until(lambda: nothing_left(base))


class Owner:
    """A plain Python process that has a folder and a child, and then runs the code in `then`."""

    def __init__(self, base: Path, then: str = "input()") -> None:
        code = f"""
import os, signal, subprocess, sys, time
from course_lib.lab import lifeline
folder, child = lifeline.folder(), lifeline.start({SLEEP})
print(folder, child.pid, flush=True)
{then}
"""
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "TMPDIR": str(base)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        folder, pid = self.line().split()
        self.folder, self.child = Path(folder), int(pid)

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        with self.process:
            self.process.kill()

    def guardian_of_folder(self) -> psutil.Process:
        return self.child_with(lambda arguments: arguments == 4)

    def guardian_of_child(self) -> psutil.Process:
        return self.child_with(lambda arguments: arguments > 4)

    def child_with(self, matches: Callable[[int], bool]) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if matches(len(command_line(child))))


def test_a_folder_is_private_and_its_path_is_short_enough_for_a_socket() -> None:
    folder = lifeline.folder()
    assert folder == lifeline.folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(folder.name) <= 16


def test_a_child_can_be_ended_twice() -> None:
    child = lifeline.start(SLEEP)
    assert child.alive()
    assert running(child.pid)
    child.end()
    child.end()
    assert not child.alive()
    assert not running(child.pid)


def test_a_child_that_ends_by_itself_is_not_alive() -> None:
    child = lifeline.start(["true"])
    wait_until(lambda: not child.alive())
    child.end()


def test_a_child_that_ignores_the_request_to_terminate_is_killed() -> None:
    child = lifeline.start(STUBBORN)
    wait_until(lambda: child.tail() == "ready")
    child.end()
    assert not running(child.pid)


@pytest.mark.parametrize("last", ["wait", "exit"], ids=["ended", "ended by itself"])
def test_a_childs_own_children_end_with_it(last: str) -> None:
    child = lifeline.start(["sh", "-c", f"sleep 1000 & echo $!; {last}"])
    wait_until(lambda: child.tail() != "")
    if last == "wait":
        child.end()
    wait_until(lambda: not running(int(child.tail())))


def test_output_goes_to_a_log_of_the_childs_own() -> None:
    first = lifeline.start(["sh", "-c", "echo out; echo error >&2"])
    second = lifeline.start(["echo", "other"])
    wait_until(lambda: not first.alive() and not second.alive())
    assert first.tail() == "out\nerror"
    assert first.tail(lines=1) == "error"
    assert second.tail() == "other"
    assert first.log.parent == second.log.parent == lifeline.folder()


def test_a_child_gets_the_environment_given() -> None:
    child = lifeline.start(
        ["sh", "-c", "echo $COLOUR"], environment={**os.environ, "COLOUR": "green"}
    )
    wait_until(lambda: child.tail() == "green")


def test_a_missing_program_raises_an_error_that_names_it() -> None:
    with pytest.raises(
        RuntimeError, match=r"could not start no-such-program: .*No such file or directory"
    ):
        lifeline.start(["no-such-program"])


def test_an_interpreter_ends_after_its_children_and_the_folder_last_of_all(base: Path) -> None:
    owner = Owner(
        base,
        then=f"""
stubborn = lifeline.start({STUBBORN})
while stubborn.tail() != "ready":
    time.sleep(0.01)
print(stubborn.pid, flush=True)
""",
    )
    stubborn = int(owner.line())
    while owner.process.poll() is None:
        has_folder = owner.folder.exists()
        assert has_folder or not running(stubborn)
    assert nothing_left(base)
    owner.kill()


def test_a_forked_child_has_a_folder_of_its_own_and_keeps_nothing_of_its_parent(base: Path) -> None:
    owner = Owner(
        base,
        then="""
forked = os.fork()
if not forked:
    print(lifeline.folder(), lifeline.start(["sleep", "1000"]).pid, flush=True)
input() if forked else time.sleep(1000)
""",
    )
    folder, child = owner.line().split()
    assert Path(folder) != owner.folder
    owner.kill()
    wait_until(lambda: not running(owner.child) and not owner.folder.exists())
    assert running(int(child))
    assert Path(folder).is_dir()
    forked = next(process for process in processes_of(base) if "-c" in command_line(process)[1:2])
    forked.kill()
    wait_until(lambda: nothing_left(base))


def test_only_the_folders_of_dead_owners_are_removed(base: Path) -> None:
    living, dead = Owner(base), Owner(base)
    for process in (
        dead.guardian_of_folder(),
        dead.guardian_of_child(),
        psutil.Process(dead.child),
    ):
        kill(process)
    dead.kill()
    assert dead.folder.is_dir()
    foreign = base / "course-notes"
    foreign.mkdir()

    another = Owner(base)
    wait_until(lambda: not dead.folder.exists())
    assert living.folder.is_dir()
    assert another.folder.is_dir()
    assert foreign.is_dir()
    for owner in (living, another):
        owner.kill()


def test_what_another_user_puts_into_the_temporary_folder_stops_nothing_and_stays(
    base: Path,
) -> None:
    fifo = base / "course-fifo" / lifeline.LOCK
    fifo.parent.mkdir()
    os.mkfifo(fifo)
    elsewhere = base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / lifeline.LOCK).touch()
    (base / "course-link").symlink_to(elsewhere)
    (base / "course-file").touch()
    owner = Owner(base)
    owner.process.communicate(timeout=10)
    wait_until(lambda: not owner.folder.exists())
    assert fifo.exists()
    assert (elsewhere / lifeline.LOCK).exists()


def test_without_a_temporary_folder_the_error_names_the_remedy() -> None:
    code = "from course_lib.lab import lifeline; lifeline.folder()"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    full = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, preexec_fn=limit
    )
    assert full.stderr.count("Traceback") == 1  # the caller's own
    assert "set TMPDIR to a folder that you can write to" in full.stderr


def test_a_folder_that_was_removed_while_the_process_runs_is_replaced(base: Path) -> None:
    owner = Owner(
        base,
        then="""
import shutil
shutil.rmtree(lifeline.folder())
print(lifeline.folder(), flush=True)
sys.stdin.read()
""",
    )
    folder = Path(owner.line())
    assert folder != owner.folder
    assert folder.is_dir()
    owner.process.communicate()
    wait_until(lambda: nothing_left(base))


def test_after_a_guardian_was_killed_there_is_a_new_folder_and_the_child_still_ends(
    base: Path,
) -> None:
    owner = Owner(
        base,
        then="input(); print(lifeline.folder(), lifeline.start(['sleep', '1000']).pid, flush=True)",
    )
    kill(owner.guardian_of_child())
    kill(owner.guardian_of_folder())
    assert owner.process.stdin
    owner.process.stdin.write("go on\n")
    owner.process.stdin.flush()
    folder, child = owner.line().split()
    assert Path(folder) != owner.folder
    owner.process.communicate()
    wait_until(
        lambda: not running(owner.child) and not running(int(child)) and not Path(folder).exists()
    )


def test_a_guardian_whose_owner_stopped_reading_ends_without_a_word(base: Path) -> None:
    pipe = subprocess.PIPE
    command = [sys.executable, "-I", "-S", lifeline.__file__]
    environment = {**os.environ, "TMPDIR": str(base)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment) as child:
        assert child.stdout
        child.stdout.close()
        _, errors = child.communicate()
    assert (child.returncode, errors, list(base.iterdir())) == (0, b"", [])


def test_the_stop_button_during_a_start_leaves_no_child(base: Path) -> None:
    owner = Owner(
        base,
        then="""
signal.signal(signal.SIGALRM, signal.default_int_handler)
kept = []  # with their frames, as IPython keeps the last
for attempt in range(20):
    signal.setitimer(signal.ITIMER_REAL, 0.001 + 0.002 * attempt)
    try:
        child = lifeline.start(["sleep", "1000"])
        signal.setitimer(signal.ITIMER_REAL, 0)  # after a start, a Stop leaves the child running
        child.end()
    except KeyboardInterrupt as interrupt:
        kept.append(interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0)
print("done", flush=True)
input()
""",
    )
    assert owner.line() == "done"

    def sleeping() -> list[int]:
        return [each.pid for each in processes_of(base) if command_line(each)[:1] == ["sleep"]]

    wait_until(lambda: sleeping() == [owner.child])
    owner.kill()
    wait_until(lambda: nothing_left(base))
