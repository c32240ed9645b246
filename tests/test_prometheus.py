"""A real Prometheus counts what the clients sent, through the loss of a worker and of Redis's data.

Runs only if `prometheus` is installed: `apt-get install prometheus`.
"""

import itertools
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import psutil
import pytest
import redis

from course_lib.lab import lifeline, redis_server
from course_lib.monitor import PerformanceMonitor, prometheus

PROMETHEUS = shutil.which("prometheus")
PROMTOOL = shutil.which("promtool")
NAMESPACE = "prometheus"
CONFIGURATION = """
scrape_configs:
- {{job_name: api, scrape_interval: 500ms, static_configs: [{{targets: ["{target}"]}}]}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def wait_until(is_met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not is_met():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def service(server_to_break: redis_server.RedisServer) -> Iterator[str]:
    """Yield the address of a service with three workers."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "uvicorn", "tests.monitored_app:app", "--workers=3"]
    command += [f"--port={address.rpartition(':')[2]}", "--timeout-worker-healthcheck=60"]
    environment = {"REDIS_URL": server_to_break.url, "NAMESPACE": NAMESPACE}
    child = lifeline.start(command, environment=environment | {"PYTHONPATH": str(Path.cwd())})
    wait_until(lambda: "app_workers 3\n" in fetch(f"http://{address}/metrics"))
    yield address
    child.end()


@pytest.fixture
def counted(service: str, tmp_path: Path) -> Iterator[Callable[[], float]]:
    """Yield a function that returns how many requests Prometheus has seen."""
    assert PROMETHEUS
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(target=service))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    child = lifeline.start([PROMETHEUS, *options, f"--web.listen-address={address}"])
    series = 'http_requests_total{endpoint="GET /item/{number}"}[5m]'

    def counted() -> float:
        reply = fetch(f"http://{address}/api/v1/query?query={quote(series)}")
        results = json.loads(reply)["data"]["result"] if reply else []
        values = [float(value) for result in results for _, value in result["values"]]
        # As in Prometheus's increase(): after a fall, a counter has started at zero.
        steps = itertools.pairwise([0.0, *values])
        return sum([new - old if new >= old else new for old, new in steps])

    yield counted
    child.end()


def fetch(url: str) -> str:
    """Return the text at a URL; empty if there's no successful response."""
    # A new connection each time, so that all workers get some; without HTTPS's slow preparation.
    try:
        return httpx.get(url, trust_env=False, verify=False, timeout=10).raise_for_status().text
    except httpx.HTTPError:
        return ""


def send(service: str, requests: int) -> None:
    for number in range(requests):
        assert fetch(f"http://{service}/item/{number}")


@pytest.mark.slow
@pytest.mark.skipif(not PROMETHEUS, reason="prometheus isn't installed")
def test_prometheus_counts_every_request_once(
    service: str, counted: Callable[[], float], server_to_break: redis_server.RedisServer
) -> None:
    send(service, 90)
    wait_until(lambda: counted() == 90)
    psutil.Process(int(fetch(f"http://{service}/process"))).kill()
    wait_until(lambda: bool(fetch(f"http://{service}/process")))
    send(service, 30)
    wait_until(lambda: counted() == 120)
    with redis.Redis.from_url(server_to_break.url) as admin:
        snapshot = {key: admin.dump(key) for key in admin.scan_iter()}
        admin.flushall()
        time.sleep(1.5)  # a scrape sees the counter start at zero
        send(service, 10)
        wait_until(lambda: counted() == 130)
        admin.flushall()
        for key, content in snapshot.items():  # as after a restart from older data
            admin.restore(key, 60_000, content)
    time.sleep(1.5)
    send(service, 5)  # fewer than before, or Prometheus couldn't see that it started at zero
    wait_until(lambda: counted() == 135)
    time.sleep(1.5)
    assert counted() == 135


@pytest.mark.skipif(not PROMTOOL, reason="promtool isn't installed")
def test_promtool_has_no_complaints() -> None:
    assert PROMTOOL
    monitor = PerformanceMonitor()
    monitor.log_request("GET /a", 0.1, first_byte=0.05, size=10)
    monitor.log_query("SELECT 1", 0.1, endpoint="GET /a")
    monitor.count("cache_hit")
    metrics = prometheus(monitor)
    check = [PROMTOOL, "check", "metrics"]
    result = subprocess.run(check, input=metrics, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
