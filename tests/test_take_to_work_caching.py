"""The app that lesson 1 ends with runs as it's printed: only its Redis URL is replaced."""

import re
import subprocess
import sys

from course_lib.lab import redis_server
from course_lib.lab.lessons import read
from course_lib.lab.paths import NOTEBOOKS, ROOT

URL = "redis://localhost:6379/0"

# Run in a process of its own, where nothing of the lab is imported.
CALLS = """

import asyncio
import sys

import httpx


async def call_it():
    transport = httpx.ASGITransport(app)
    async with lifespan(app), httpx.AsyncClient(transport=transport, base_url="http://app") as shop:
        print((await shop.get("/carts/ann")).json())
        await shop.post("/carts/ann", params={"item": "tea"})
        print((await shop.get("/carts/ann")).json(), (await shop.get("/carts/ann")).json())
        print(cache.hits, cache.misses, cache.loads)


asyncio.run(call_it())
assert "course_lib.lab" not in sys.modules
"""


def app_of_lesson_1():
    """Return the source of the app in the lesson's last part."""
    text = "\n".join(
        cell.source
        for cell in read(NOTEBOOKS / "01_caching.ipynb").cells
        if cell.cell_type == "markdown"
    )
    (app,) = [code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if URL in code]
    return app


def test_the_app_of_lesson_1_caches_and_invalidates_outside_the_lab():
    with redis_server.start() as redis:
        source = app_of_lesson_1().replace(URL, redis.url) + CALLS
        command = [sys.executable, "-c", source]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "['tea'] ['tea']", "1 2 2"]
