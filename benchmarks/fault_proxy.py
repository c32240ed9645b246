"""A TCP proxy in front of a Redis server, whose network can be broken while it runs."""

import asyncio
import contextlib
import threading

LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"


class FaultProxy:
    """Forwards connections to a Unix socket, from a thread of its own.

    `mode` is "forward" or one of:

        slow        `delay` seconds more each way          refuse   connections are closed at once
        silent      nothing arrives on either side         deaf     commands arrive, no reply does
        half        half of each reply, then the end       garbled  replies are noise
        loading     each command is answered by LOADING
    """

    def __init__(self, path: str, delay: float = 0.05) -> None:
        self.mode = "forward"
        self._path = path
        self._delay = delay
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        started = asyncio.run_coroutine_threadsafe(self._start(), self._loop)
        self.url = f"redis://127.0.0.1:{started.result()}"

    async def _start(self) -> int:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=200)
        port: int = server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        """Close all connections."""
        self._loop.call_soon_threadsafe(self._cut)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            writer.close()
            return
        try:
            there_reader, there_writer = await asyncio.open_unix_connection(self._path)
        except OSError:
            writer.close()
            return
        both = {writer, there_writer}
        self._writers |= both
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._send_commands(reader, there_writer, writer),
                self._send_replies(there_reader, writer),
            )
        self._writers -= both

    async def _send_commands(
        self,
        reader: asyncio.StreamReader,
        there: asyncio.StreamWriter,
        back: asyncio.StreamWriter,
    ) -> None:
        while data := await reader.read(65536):
            if self.mode == "loading":
                back.write(LOADING)
            elif self.mode != "silent":
                self._write(there, data)
        there.close()

    async def _send_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if self.mode == "half":
                writer.write(data[: len(data) // 2])
                break
            if self.mode == "garbled":
                self._write(writer, b"\x00?" * len(data) + b"\r\n")
            elif self.mode not in ("silent", "deaf"):
                self._write(writer, data)
        writer.close()

    def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self.mode == "slow":
            self._loop.call_later(self._delay, writer.write, data)
        else:
            writer.write(data)
