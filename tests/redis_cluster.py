"""Real servers that work together, for tests: a Redis Cluster, or a primary behind a sentinel."""

import os
import random
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import redis

from course_lib.lab import lifeline
from course_lib.lab.redis_process import find_binary

SLOTS = 16_384


def wait_until(is_ready: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until `is_ready()` is true; an error of Redis means that it isn't yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if is_ready():
                return
        except redis.RedisError:
            pass
        time.sleep(0.01)
    raise TimeoutError(f"not ready within {seconds:g} s")


def free_port() -> int:
    """Return a port that's free, as is the one 10,000 above, which a cluster's node uses too."""
    while True:
        port = random.randrange(20_000, 50_000)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port


class Node:
    """A server process on a port of its own, which a test may kill, pause and restart."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        data = folder / str(self.port)
        data.mkdir()
        self._command = [
            *(find_binary(), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", str(data), "--save", "", *options),
        ]
        self.client = redis.Redis(port=self.port, decode_responses=True)
        self.start()

    def start(self) -> None:
        """Start the process, with the files of the last one."""
        self._child = lifeline.start(self._command)
        wait_until(self.client.ping)

    def kill(self) -> None:
        """End the process at once, also if it's paused."""
        if self._child.alive():
            os.kill(self._child.pid, signal.SIGKILL)
        self._child.end()

    def pause(self) -> None:
        """Stop the process without ending it."""
        os.kill(self._child.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after a pause."""
        os.kill(self._child.pid, signal.SIGCONT)


class Cluster:
    """Three nodes with a third of the slots each. While one is down, the others serve theirs."""

    def __init__(self, folder: Path) -> None:
        options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "500"]
        options += ["--cluster-require-full-coverage", "no"]
        self.nodes = [Node(folder, *options) for _ in range(3)]
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self.url = f"redis+cluster://{hosts}"
        bounds = [SLOTS * number // 3 for number in range(4)]
        for number, node in enumerate(self.nodes):
            send = node.client.execute_command
            send("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
            send("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            send("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until each node can reach all others, and serves its slots."""
        for node in self.nodes:
            wait_until(lambda node=node: self._is_ready(node))

    def _is_ready(self, node: Node) -> bool:
        info = node.client.execute_command("CLUSTER INFO")
        states = ("cluster_state", "cluster_slots_ok", "cluster_known_nodes")
        return [str(info[state]) for state in states] == ["ok", str(SLOTS), "3"]

    def owner_of(self, slot: int) -> Node:
        """Return the node that serves a slot."""
        ranges = self.nodes[0].client.execute_command("CLUSTER SLOTS")
        for first, last, (_, port, *_), *_ in ranges:
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise LookupError(f"no node serves slot {slot}")

    def slot_of(self, key: str) -> int:
        """Return the slot of a key."""
        return int(self.nodes[0].client.execute_command("CLUSTER", "KEYSLOT", key))

    def begin_move(self, slot: int) -> tuple[Node, Node]:
        """Begin to move a slot, and return its owner and the next owner."""
        source = self.owner_of(slot)
        target = next(node for node in self.nodes if node is not source)
        source_id = source.client.execute_command("CLUSTER", "MYID")
        target_id = target.client.execute_command("CLUSTER", "MYID")
        target.client.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        source.client.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        return source, target

    def end_move(self, slot: int, source: Node, target: Node) -> None:
        """Move the keys of a slot, one by one, and then the slot itself."""
        send = source.client.execute_command
        while keys := send("CLUSTER", "GETKEYSINSLOT", slot, 1):
            send("MIGRATE", "127.0.0.1", target.port, keys[0], 0, 1000)
        target_id = target.client.execute_command("CLUSTER", "MYID")
        for node in (target, source, *self.nodes):
            node.client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.kill()


class SentinelGroup:
    """A primary, a replica of it, and a sentinel that replaces the primary if it's down."""

    NAME = "service"

    def __init__(self, folder: Path) -> None:
        options = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
        self.primary = Node(folder, *options)
        self.replica = Node(folder, *options)
        self.replica.client.execute_command("REPLICAOF", "127.0.0.1", self.primary.port)
        settings = folder / "sentinel.conf"
        settings.write_text("")
        self.sentinel = Sentinel(folder, settings)
        send = self.sentinel.client.execute_command
        send("SENTINEL", "MONITOR", self.NAME, "127.0.0.1", self.primary.port, 1)
        send("SENTINEL", "SET", self.NAME, "down-after-milliseconds", 300)
        send("SENTINEL", "SET", self.NAME, "failover-timeout", 1000)
        self.url = f"redis+sentinel://127.0.0.1:{self.sentinel.port}/{self.NAME}"
        wait_until(self.has_replica)

    def has_replica(self) -> bool:
        """Return True if the sentinel knows a replica that could replace the primary."""
        replicas = self.sentinel.client.sentinel_slaves(self.NAME)
        return bool(replicas) and replicas[0]["master-link-status"] == "ok"

    def fail_over(self) -> None:
        """Make the replica the primary, although nothing is wrong with the primary."""
        self.sentinel.client.execute_command("SENTINEL", "FAILOVER", self.NAME)

    def stop(self) -> None:
        """End all processes."""
        for node in (self.primary, self.replica, self.sentinel):
            node.kill()


class Sentinel(Node):
    """A sentinel, which keeps what it knows in its settings."""

    def __init__(self, folder: Path, settings: Path) -> None:
        self._settings = settings
        super().__init__(folder)

    def start(self) -> None:
        """Start the process."""
        binary, *options = self._command
        without_save = [option for option in options if option not in ("--save", "")]
        self._command = [binary, str(self._settings), "--sentinel", *without_save]
        super().start()
