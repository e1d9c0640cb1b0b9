"""The admin port of every process: /livez (the process), /readyz (what it needs), /metrics (what it counts)."""

import asyncio
from collections.abc import Awaitable, Callable

HEADER_SECONDS = 5


class Admin:
    """A tiny HTTP/1.0 server; it answers three paths and closes each connection."""

    def __init__(self, ready: Callable[[], Awaitable[str]], metrics: Callable[[], Awaitable[str]]) -> None:
        """`ready` answers what is missing, empty if nothing is; `metrics` Prometheus text."""
        self._ready, self._metrics = ready, metrics
        self._server: asyncio.Server | None = None

    async def start(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._server = await asyncio.start_server(self._serve, host, int(port))

    async def stop(self) -> None:
        if self._server:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(HEADER_SECONDS):
                line = (await reader.readline()).decode("latin-1").split()
                while (await reader.readline()).strip():
                    pass
            status, body = await self._answer(line[1] if len(line) > 1 else "")
            head = (
                f"HTTP/1.0 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body.encode())}"
            )
            writer.write(f"{head}\r\n\r\n{body}".encode())
            await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass  # a client that went away or does not speak HTTP
        finally:
            writer.close()

    async def _answer(self, path: str) -> tuple[str, str]:
        match path.split("?")[0]:
            case "/livez":
                return "200 OK", "ok\n"
            case "/readyz":
                missing = await self._ready()
                return ("503 Service Unavailable", f"{missing}\n") if missing else ("200 OK", "ok\n")
            case "/metrics":
                return "200 OK", await self._metrics()
        return "404 Not Found", "paths: /livez /readyz /metrics\n"
