"""Run a script in a process whose tracer replaced redis-py's `execute_command` before our import.

python -m tests.traced_process <URL of Redis>    prints the commands that the tracer has seen
"""

import asyncio
import functools
import sys
from typing import Any

from redis.asyncio import Redis


def trace(target: Any, names: list[str]) -> None:
    """Replace `execute_command` of a client or of its class, as tracers do; list the commands."""
    execute = target.execute_command

    @functools.wraps(execute)
    async def execute_command(*arguments: Any, **options: Any) -> Any:
        names.append(next(part for part in arguments if isinstance(part, str)))
        return await execute(*arguments, **options)

    target.execute_command = execute_command


async def _main(url: str) -> None:
    names: list[str] = []
    trace(Redis, names)

    from course_lib import redis_client  # the tracer comes first

    async with redis_client.connect(url) as redis:
        await redis_client.Script("course_lib.cache", "release").run(redis, ["key"], "lease")
    print(*names)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
