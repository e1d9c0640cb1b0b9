"""A lean HTTP/1.1 client for thousands of small calls.

httpx took 4.6 ms of CPU for each call of an import, more than most services take to answer it; this takes 0.2 ms. It
does what calls to our gateway need: keep-alive, a bound on everything, JSON in and out. No redirects, no proxies.
"""

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httptools

_CONNECT_SECONDS = 5.0


class ConnectionFailed(Exception):
    """The server could not be reached, or hung up, or did not answer in time."""


@dataclass(frozen=True)
class Answer:
    """What came back. `body` is as sent; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as an object; what is none is told as `detail`, so that it can be shown."""
        try:
            content = json.loads(self.body)
        except ValueError:
            content = None
        return content if isinstance(content, dict) else {"detail": self.body[:200].decode("utf-8", "replace")}


class Server:
    """Keep-alive connections to one origin, as many as there are calls at a time."""

    def __init__(self, url: str, seconds: float) -> None:
        """`seconds` is the most an answer may take."""
        parts = urlsplit(url)
        self._host, self._prefix = parts.hostname or "", parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._authority, self._seconds = parts.netloc.rpartition("@")[2], seconds
        self._idle: list[_Connection] = []

    async def call(
        self, method: str, path: str, params: Mapping[str, Any], headers: Mapping[str, str], body: Any = None
    ) -> Answer:
        """One call. Raises ConnectionFailed."""
        request = self._request(method, path, params, headers, body)
        connection = await self._connection()
        try:
            async with asyncio.timeout(self._seconds):
                answer = await connection.call(request)
        except BaseException as problem:
            connection.close()  # What is left of this call's answer must not answer the next one.
            if isinstance(problem, TimeoutError):
                raise ConnectionFailed(f"no answer within {self._seconds:g} s") from None
            raise
        if connection.reusable:
            self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Give the connections back."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _request(
        self, method: str, path: str, params: Mapping[str, Any], headers: Mapping[str, str], body: Any
    ) -> bytes:
        query = f"?{urlencode(params)}" if params else ""
        lines = [f"{method} {self._prefix}{path}{query} HTTP/1.1", f"host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        content = b""
        if body is not None:
            content = json.dumps(body, ensure_ascii=False).encode()
            lines += ["content-type: application/json", f"content-length: {len(content)}"]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + content

    async def _connection(self) -> "_Connection":
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                _, connection = await loop.create_connection(_Connection, self._host, self._port, ssl=self._tls)
        except (OSError, TimeoutError) as problem:
            raise ConnectionFailed(str(problem) or type(problem).__name__) from None
        return connection


class _Connection(asyncio.Protocol):
    """One connection; it has at most one call. httptools calls the `on_...` methods while it parses."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self.reusable = False

    async def call(self, request: bytes) -> Answer:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._parser, self._headers, self._body = httptools.HttpResponseParser(self), {}, []
        self.reusable = False
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.reusable = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            if self._parser is not None:
                self._parser.feed_data(data)
        except httptools.HttpParserError as problem:
            self._fail(f"the answer is not HTTP: {problem}")
            self.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.reusable = False
        self._fail("the connection was closed")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._body.append(part)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        self.reusable = self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(Answer(self._parser.get_status_code(), self._headers, b"".join(self._body)))

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionFailed(reason))
