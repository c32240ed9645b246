"""Test that the files for set-up agree with each other, and `make setup` repairs a broken .venv."""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.parse
import urllib.request

import pytest
import yaml

from course_lib.lab import paths

ROOT = paths.ROOT
MAKES_OWN = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PINS = (ROOT / "requirements.txt").read_text()
# Each is split, so that a search for it doesn't match this file.
INDEX_ADDRESSES = ["/" + "simple", "--index" + "-url", "extra" + "-index-url", "--find" + "-links"]
INDEX_ADDRESSES += ["files.python" + "hosted", "anaconda" + ".org", "index" + "-url ="]


def tracked_files(*more):
    listing = ["git", "ls-files", "-z", "--cached", *more]
    done = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git clone")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def name_of(requirement):
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-")


def make(*arguments, cwd=ROOT, **variables):
    # Without make's own variables, in case make runs these tests.
    inherited = {key: value for key, value in os.environ.items() if key not in MAKES_OWN}
    return subprocess.run(
        ["make", *arguments],
        cwd=cwd,
        env=inherited | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_conda_environment_matches_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, from_pip = environment["dependencies"]
    assert environment["name"] == PYPROJECT["project"]["name"]
    assert environment["channels"] == ["conda-forge"]
    assert conda == [f"python{PYPROJECT['project']['requires-python']}", "redis-server", "pip"]
    assert from_pip == {"pip": ["-e .[lab]"]}
    assert "lab" in PYPROJECT["project"]["optional-dependencies"]


def test_every_dependency_that_set_up_installs_is_pinned_with_hashes():
    project = PYPROJECT["project"]
    wanted = [*project["dependencies"], *PYPROJECT["dependency-groups"]["setup"]]
    for name, extra in project["optional-dependencies"].items():
        if name not in ("bench", "site"):
            wanted += extra
    pins = re.split(r"\n(?=\S)", PINS.strip())
    names = {name_of(pin) for pin in pins}
    assert {name_of(requirement) for requirement in wanted} - {project["name"]} <= names
    assert all("--hash=sha256:" in pin and "==" in pin for pin in pins)


@pytest.mark.parametrize(
    ("folder", "extras"), [("course_lib", ["lab", "site"]), ("tests", ["lab", "test"])]
)
def test_every_package_that_is_imported_is_declared(folder, extras):
    project = PYPROJECT["project"]
    requirements = list(project["dependencies"])
    for extra in ["advisor", *extras]:
        requirements += project["optional-dependencies"][extra]
    declared = set(map(name_of, requirements))
    imported = set()
    for file in (ROOT / folder).rglob("*.py"):
        imported |= {module.partition(".")[0] for module in imports_of(file)}
    known = importlib.metadata.packages_distributions()
    for module in sorted(imported & set(known) - {"course_lib"}):
        packages = {package.lower().replace("_", "-") for package in known[module]}
        assert packages & declared, f"{folder} imports {module}: declare {' or '.join(packages)}"


def imports_of(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module


def test_the_pins_contain_no_address():
    assert "://" not in PINS


def test_no_file_names_a_package_index():
    for file in tracked_files():
        text = file.read_bytes().decode(errors="ignore")
        named = [address for address in INDEX_ADDRESSES if address in text]
        assert not named, f"{file.relative_to(ROOT)} names {named}"


def test_help_lists_every_target():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (help .*)$", makefile, re.MULTILINE)[1]
    listed = [line.split()[1] for line in make("help").stdout.splitlines()]
    assert listed == targets.split()


def test_a_python_that_is_too_old_stops_set_up_with_one_sentence(tmp_path):
    clone = cloned(tmp_path)
    old = tmp_path / "old"
    old.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'import runpy, sys; sys.argv = sys.argv[1:]; "
        'sys.version_info = (3, 8, 18); runpy.run_path(sys.argv[0], run_name="__main__")\' "$@"\n'
    )
    old.chmod(0o755)
    done = make("setup", f"PYTHON={old}", cwd=clone)
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed, this is 3.8.18" in done.stdout
    assert not (clone / ".venv").exists()


def cloned(folder):
    """Copy what git would clone, and the changes that aren't committed yet."""
    clone = folder / "clone"
    for file in tracked_files("--others", "--exclude-standard"):
        copy = clone / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, copy)
    return clone


@pytest.mark.slow
def test_an_interrupted_set_up_is_repaired_and_needs_no_internet_the_second_time(tmp_path):
    clone = cloned(tmp_path)
    whole = clone / ".venv" / "whole"
    first = subprocess.Popen(
        ["make", "setup"], cwd=clone, start_new_session=True, stderr=subprocess.DEVNULL
    )
    while not (clone / ".venv/bin/uv").exists():
        assert first.poll() is None, "set-up ended before it installed uv"
        time.sleep(0.01)
    time.sleep(0.2)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert not whole.exists()

    repaired = make("setup", cwd=clone)
    assert repaired.returncode == 0, repaired.stderr
    finished_at = whole.stat().st_mtime_ns
    offline = {"UV_OFFLINE": "1", "PIP_NO_INDEX": "1"}
    assert make("setup", cwd=clone, **offline).returncode == 0
    assert whole.stat().st_mtime_ns == finished_at
    doctor = make("doctor", cwd=clone).stdout
    assert "found    packages" in doctor
    assert f"found    kernel python3 in {clone}" in doctor

    # Newer files with the same pins need no download. A missing Python needs a new .venv.
    (clone / "pyproject.toml").touch()
    assert make("setup", cwd=clone, **offline).returncode == 0
    assert whole.stat().st_mtime_ns > finished_at
    (clone / ".venv/bin/python").unlink()
    assert make("setup", cwd=clone).returncode == 0
    assert make("doctor", cwd=clone).returncode == 0
    check_lab_opens(clone)


def check_lab_opens(clone):
    """Check that the clone's JupyterLab needs its token, lists the copies and fetches no news."""
    variables = {
        "COURSE_ROWS": "20000",
        "COURSE_WORK": str(clone / "work"),
        "COURSE_DATA": str(clone / "data"),
    }
    command = ["make", "lab", "ARGS=--no-browser"]
    environment = {**os.environ, **variables}
    lab = subprocess.Popen(
        command,
        cwd=clone,
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = next(line for line in lab.stderr if "?token=" in line)
        server, token = re.search(r"(http://\S+?)/lab\S*\?token=(\w+)", line).groups()
        notification = f"{server}/lab/api/settings/@jupyterlab/apputils-extension:notification"
        wait_for(server)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(notification)
        with urllib.request.urlopen(f"{notification}?token={token}") as answer:
            settings = json.load(answer)["schema"]["properties"]
        assert settings["fetchNews"]["default"] == "false"
        assert settings["checkForUpdates"]["default"] is False
        with urllib.request.urlopen(f"{server}/api/contents?token={token}") as answer:
            shown = {entry["name"] for entry in json.load(answer)["content"]}
        assert {lesson.name for lesson in paths.NOTEBOOKS.glob("0*.ipynb")} <= shown
    finally:
        os.killpg(lab.pid, signal.SIGKILL)
        lab.wait()


def wait_for(server):
    """Wait until JupyterLab accepts connections, shortly after it prints its address."""
    address = urllib.parse.urlsplit(server)
    for _ in range(100):
        try:
            return socket.create_connection((address.hostname, address.port)).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
    pytest.fail(f"no server accepts connections at {server}")
