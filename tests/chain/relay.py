"""A TCP relay in front of a real node, that can be cut, refuse, or stop passing on what the node says."""

import asyncio
from contextlib import suppress


class Relay:
    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connected = 0
        self.deaf = False

    async def __aenter__(self) -> "Relay":
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Ends every connection and takes no new ones."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        node_reader, node_writer = await asyncio.open_connection("127.0.0.1", self._upstream)
        there = asyncio.create_task(self._copy(reader, node_writer, hears=True))
        back = asyncio.create_task(self._copy(node_reader, writer, hears=False))
        try:
            await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            pass  # cut
        finally:
            there.cancel()
            back.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            for end in (writer, node_writer):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()
            self._connections.discard(task)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, hears: bool) -> None:
        while chunk := await reader.read(65536):
            if hears or not self.deaf:
                writer.write(chunk)
                await writer.drain()
