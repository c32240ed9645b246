"""A TCP proxy in front of a Redis server: far away, or an address that leads elsewhere."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    """Forwards each new connection to the Unix socket at `path`, with a `delay` each way."""

    def __init__(self, path: str, delay: float = 0.0) -> None:
        self.path = path
        self.delay = delay
        self.connections = 0
        self.port = 0

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            loop.call_later(self.delay, writer.write, data)
        loop.call_later(self.delay, writer.close)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await asyncio.sleep(2 * self.delay)  # the round trip of TCP's own handshake
        there_reader, there_writer = await asyncio.open_unix_connection(self.path)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                self._forward(reader, there_writer), self._forward(there_reader, writer)
            )


@contextlib.asynccontextmanager
async def proxy(path: str, delay: float = 0.0, **options: object) -> AsyncIterator[Proxy]:
    """Yield a running proxy on a free `port`. Options go to asyncio's server, such as `ssl`."""
    running = Proxy(path, delay)
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0, backlog=200, **options)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
