"""A write whose request is cancelled, as by a server that stops, leaves no stale totals."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from course_lib.api import create_app
from course_lib.lab import redis_server

HEADERS = {"X-API-Key": "free-5"}
BODY = {"type": "view", "title": "One more"}


@pytest.mark.anyio
async def test_a_write_whose_request_was_cancelled_is_still_invalidated(
    table: Path, own_server: redis_server.RedisServer
) -> None:
    shown = []
    for is_first in (True, False):
        app = create_app(table, redis_url=own_server.url, cache=True, namespace="cancelled")
        transport = httpx.ASGITransport(app)
        async with (
            httpx.AsyncClient(
                transport=transport, base_url="http://test", headers=HEADERS
            ) as client,
            app.router.lifespan_context(app),
        ):
            totals = (await client.get("/api/stats")).json()
            shown.append(totals["user"]["events"])
            if is_first:
                await cancel_a_write(client, table)
    assert shown[1] == shown[0] + 1


async def cancel_a_write(client: httpx.AsyncClient, table: Path) -> None:
    """Cancel a request while its write waits for the lock of another connection."""
    with closing(sqlite3.connect(table, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        request = asyncio.create_task(client.post("/api/events", json=BODY))
        await asyncio.sleep(0.1)
        request.cancel()
        await asyncio.wait([request])
        other.execute("ROLLBACK")
