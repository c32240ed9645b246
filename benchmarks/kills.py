"""Kill workers of the Events API with SIGKILL while clients write. Print what was lost.

    python benchmarks/kills.py [--kills 50]

Two workers share a file, and eight clients write to them. Rounds alternate between killing one
worker and killing both. Each round checks the file's integrity and every write that was
acknowledged with 201. The bars: no damaged file, no lost write, no process left.
"""

import argparse
import os
import random
import signal
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import httpx
import psutil

from course_lib.lab import events, lifeline, serve

ROWS = 10_000
CLIENTS = 8
LONGEST = 0.3  # seconds from the first write to the kill


def write(url: str, client: int, stop: threading.Event, acknowledged: dict[int, str]) -> None:
    """Write events until the worker is gone, or `stop` is set."""
    headers = {"X-API-Key": f"pro-{client + 1}"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False) as http:
        number = 0
        while not stop.is_set():
            number += 1
            title = f"{url} {client} {number}"
            try:
                answer = http.post("/api/events", json={"type": "view", "title": title})
            except httpx.TransportError:
                return
            if answer.status_code == 201:
                acknowledged[answer.json()["id"]] = title


def kill_once(table: Path, killed: int) -> Counter[str]:
    """Run one round, and return what was counted in it."""
    workers = [serve.start(table) for _ in range(2)]
    stop = threading.Event()
    acknowledged: dict[int, str] = {}
    with ThreadPoolExecutor(CLIENTS) as pool:
        writing = [
            pool.submit(write, workers[client % 2].url, client, stop, acknowledged)
            for client in range(CLIENTS)
        ]
        while not acknowledged:
            time.sleep(0.001)
        time.sleep(random.uniform(0, LONGEST))
        for worker in workers[:killed]:
            os.kill(worker.pid, signal.SIGKILL)
        time.sleep(0.1)  # a worker that survived goes on
        stop.set()
        wait(writing)
    has_failed = killed == 1 and workers[1].get("/api/events").status_code != 200
    found, is_whole = stored(table, acknowledged)
    for worker in workers:
        worker.stop()
    return Counter(
        {
            "kills": killed,
            "acknowledged writes": len(acknowledged),
            "lost writes": len(acknowledged) - found,
            "damaged files": int(not is_whole),
            "failures of the worker that survived": int(has_failed),
        }
    )


def stored(table: Path, acknowledged: dict[int, str]) -> tuple[int, bool]:
    """Return how many of the acknowledged writes are in the file, and if the file is whole."""
    with closing(sqlite3.connect(table)) as connection:
        titles = dict(connection.execute("SELECT id, title FROM events WHERE id > ?", (ROWS,)))
        (result,) = connection.execute("PRAGMA integrity_check").fetchone()
    found = sum(titles.get(number) == title for number, title in acknowledged.items())
    return found, result == "ok"


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill workers of the Events API during writes.")
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    lifeline.folder()
    before = len(psutil.Process().children(recursive=True))
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        table = events.seed(Path(folder) / "events.db", ROWS)
        killed = 1
        while total["kills"] < options.kills:
            total.update(kill_once(table, killed))
            killed = 3 - killed
        files = ", ".join(sorted(file.name for file in Path(folder).iterdir()))
    total["processes left"] = len(psutil.Process().children(recursive=True)) - before
    for name, number in total.items():
        print(f"{name:40} {number:8,}")
    print("files at the end:", files)


if __name__ == "__main__":
    main()
