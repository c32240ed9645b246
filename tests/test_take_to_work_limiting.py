"""The app that lesson 3 gives the learner runs outside the lab, as its text says."""

import contextlib
import os
import re
import socket
import subprocess
import sys
import time

import httpx

from course_lib.lab import paths, redis_server
from course_lib.tools import notebooks

LESSON = paths.NOTEBOOKS / "03_rate_limiting.ipynb"
SHIPPED_URL = "redis://localhost:6379"


def app_of(lesson):
    text = "\n".join(cell.source for cell in notebooks.read(lesson).cells)
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return block


@contextlib.contextmanager
def running(folder, redis_url):
    """Run the app with uvicorn, and yield a client when it responds."""
    source = app_of(LESSON)
    assert source.count(SHIPPED_URL) == 1
    (folder / "app.py").write_text(source.replace(SHIPPED_URL, redis_url))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    server = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            for _ in range(600):
                with contextlib.suppress(httpx.ConnectError):
                    client.get("/docs")
                    break
                time.sleep(0.05)
            yield client
    finally:
        server.terminate()
        _, log = server.communicate(timeout=20)
    assert "Application shutdown complete" in log.decode()


def test_the_app_of_lesson_3_limits_its_route_and_shuts_down(tmp_path):
    private = redis_server.start()
    with running(tmp_path, private.url) as client:
        responses = [client.get("/hello") for _ in range(60)]
    statuses = [response.status_code for response in responses]
    assert statuses[:10] == [200] * 10  # the burst
    assert set(statuses) == {200, 429}
    assert responses[0].json() == "hello"
    rejection = responses[statuses.index(429)]
    assert rejection.headers["Retry-After"] == "1"
