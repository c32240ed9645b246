"""The stats never show what another program has written under the names of their cache entries."""

import json
from pathlib import Path

import pytest
from redis import Redis

from course_lib.api import create_app
from course_lib.lab import redis_server, serve

FOREIGN = ["null", "true", "17", '"text"', "[]", "{}", '{"events":1}', "NaN", "", "[" * 100_000]


def test_a_foreign_entry_is_loaded_again_and_replaced(
    table: Path, own_server: redis_server.RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(table, redis_url=own_server.url, cache=True, namespace="foreign")
    with serve.here(app) as server, Redis.from_url(own_server.url) as redis:
        right = server.get("/api/stats", user_id=5).json()
        entries = list(redis.scan_iter("{foreign}:entry:*"))
        assert len(entries) == 2
        for content in FOREIGN:
            for entry in entries:
                redis.set(entry, content)
            assert server.get("/api/stats", user_id=5).json() == right
            assert server.get("/api/stats", user_id=5).headers["X-Cache"] == "hit"
            assert all(json.loads(redis.get(entry)) for entry in entries)
    assert "stats:platform isn't ours" in caplog.text
