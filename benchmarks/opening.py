"""Time a fresh clone until a lesson is open: `make lab`, until JupyterLab serves the lesson.

    python benchmarks/opening.py [runs]

Packages come from the registry or from uv's cache, wherever this machine has them.
"""

import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LESSON = "api/contents/02_indexing.ipynb?content=0&token=measuring"


def open_lesson(folder):
    """Clone, run `make lab` and request the lesson until it's served; return the seconds."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    flags = f"--no-browser --port {port} --IdentityProvider.token=measuring"
    start = time.monotonic()
    environment = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("VIRTUAL_ENV", "COURSE_"))
    }
    lab = subprocess.Popen(
        ["make", "lab", f"ARGS={flags}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while lab.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{LESSON}", timeout=5):
                    return time.monotonic() - start
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(
            f"make lab ended before the lesson was open; run it yourself: make lab ARGS='{flags}'"
        )
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(lab.pid, signal.SIGTERM)
        lab.wait()


def main():
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    seconds = []
    for run in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            seconds.append(open_lesson(Path(folder) / "workbook"))
        print(f"run {run + 1}: {seconds[-1]:.1f} s")
    print(f"median of {runs}: {statistics.median(seconds):.1f} s   (bar: 15 s)")


if __name__ == "__main__":
    main()
