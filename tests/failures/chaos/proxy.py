"""A TCP proxy on one link, which can do to it what networks do."""

import asyncio
import contextlib
from enum import Enum

from chassis.stack.ports import HOST

CHUNK = 64 * 1024


class Link(Enum):
    """What the proxy does with what it is given."""

    PASS = "pass"
    DROP = "drop"  # nothing arrives, and nobody is told
    SLOW = "slow"  # everything arrives late
    HALF = "half"  # answers get lost
    REFUSE = "refuse"  # connections are cut, new ones too


SLOW_SECONDS = 0.3


class Proxy:
    """Passes connections on its own port to `target` as `link` says; a change holds for open connections, too."""

    def __init__(self, port: int, target: int) -> None:
        self.port, self.target, self.link = port, target, Link.PASS
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, HOST, self.port, limit=CHUNK)

    async def stop(self) -> None:
        if self._server:
            self._server.close()
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def set(self, link: Link) -> None:
        self.link = link
        if link is Link.REFUSE:
            self._cut()

    def heal(self) -> None:
        """Everything passes again. What was swallowed is gone for good, so the connections that lost it are cut."""
        lossy = self.link in (Link.DROP, Link.HALF)
        self.link = Link.PASS
        if lossy:
            self._cut()

    def _cut(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.link is Link.REFUSE:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection(HOST, self.target, limit=CHUNK)
        except OSError:
            writer.transport.abort()
            return
        pair = {writer, back}
        self._open |= pair
        try:
            await asyncio.gather(self._pump(reader, back, answers=False), self._pump(there, writer, answers=True))
        finally:
            self._open -= pair
            for one in pair:
                one.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                if self.link is Link.DROP or (self.link is Link.HALF and answers):
                    continue
                if self.link is Link.SLOW:
                    await asyncio.sleep(SLOW_SECONDS)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
