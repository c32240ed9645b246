"""The app that lesson 4 tells learners to take to work runs outside the lab, with two workers."""

import os
import re
import socket
import subprocess
import sys
import time

import httpx

from course_lib.lab import redis_server
from course_lib.tools import notebooks

EXAMPLE_URL = "redis://localhost:6379"


def app_of_the_lesson():
    lesson = next(path for path in notebooks.shipped() if path.stem == "04_monitoring")
    prose = "\n".join(cell.source for cell in notebooks.read(lesson).cells)
    (app,) = re.findall(r"[Ss]ave this as `app\.py`.*?```python\n(.*?)```", prose, re.DOTALL)
    return app


def test_the_app_of_lesson_4_counts_the_requests_of_all_workers(tmp_path):
    app = app_of_the_lesson()
    assert EXAMPLE_URL in app
    (tmp_path / "app.py").write_text(app.replace(EXAMPLE_URL, redis_server.url()))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "app:app", f"--port={port}", "--workers=2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as server:
        try:
            for _ in range(20):
                wait_for(f"http://127.0.0.1:{port}/items/17")
            time.sleep(1.5)  # each worker reports once a second
            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        finally:
            server.terminate()
    assert 'http_requests_total{endpoint="GET /items/{number}",status="200"} 20' in metrics


def wait_for(address):
    """Send a request, again until the server listens."""
    for _ in range(200):
        try:
            return httpx.get(address, trust_env=False).raise_for_status()
        except httpx.ConnectError:
            time.sleep(0.05)
    raise AssertionError("the app didn't start")
