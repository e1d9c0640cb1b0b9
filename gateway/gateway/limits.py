"""How much one caller may ask for, each with its reason, and the refusals."""

import asyncio
import re

from starlette.types import Receive
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.problems import Problem

# A record is a few kilobytes. A body is parsed in one go on the event loop: 1 MB stops the others for ~10 ms.
BODY_BYTES = 1 << 20
# 1,000 rows of an import with long notes; rare, and refused by permission for most callers.
BULK_BODY_BYTES = 8 << 20
# gRPC's own default, and room for a page of 1,000 records.
MESSAGE_BYTES = 4 << 20
BULK_MESSAGE_BYTES = 8 << 20
# A token is 1-2 KB, a filter at most 2,000 characters; ingresses commonly allow as much.
HEAD_BYTES = 32 << 10
URL_BYTES = 8 << 10
# More would only wait: at 2,000 answers per second these are a quarter of a second of work. Their bodies fit in memory.
IN_FLIGHT = 512
# A person has given up after 10 s; 30 s is the services' own cap.
DEFAULT_SECONDS = 10.0
MAX_SECONDS = 30.0
# A body that trickles in holds a place of IN_FLIGHT.
BODY_SECONDS = 10.0

GRPC_TIMEOUT = re.compile(rb"(\d{1,8})([HMSmun])")
SECONDS = re.compile(rb"\d{1,6}(\.\d{1,6})?")
UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


class ClientGone(Exception):
    """The caller closed the connection: nobody is there to answer."""


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers do not end: httptools would collect them for ever."""

    _head_bytes = 0
    _in_head = True

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
            # One read may hold a whole request with its body; only a head that goes on after that is refused.
            if self._head_bytes - len(data) > HEAD_BYTES:
                self.transport.write(b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n")
                self.transport.close()
                return
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """What is not HTTP gets the same kind of answer as every other mistake, though it has no trace."""
        body = Problem.invalid("", "the request is not HTTP/1.1").body("")
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {len(body)}"
        self.transport.write(head.encode() + b"\r\nconnection: close\r\n\r\n" + body)
        self.transport.close()


def check_head(raw_headers: list[tuple[bytes, bytes]], url_bytes: int) -> None:
    """Raises Problem 414 or 431."""
    if url_bytes > URL_BYTES:
        raise Problem(414, "URL_TOO_LONG", f"the URL may have {URL_BYTES} bytes, not {url_bytes}")
    if sum([len(name) + len(value) for name, value in raw_headers]) > HEAD_BYTES:
        raise Problem(431, "HEADERS_TOO_LARGE", f"the headers may have {HEAD_BYTES} bytes")


def too_busy() -> Problem:
    return Problem(503, "TOO_BUSY", f"{IN_FLIGHT} requests are being answered; try again")


def deadline(headers: dict[bytes, bytes]) -> float:
    """Seconds the answer may take: `Request-Timeout` (seconds) or `grpc-timeout` (2500m), else the default; capped."""
    text = headers.get(b"request-timeout")
    if text is not None:
        if not SECONDS.fullmatch(text) or not float(text):
            raise Problem.invalid("Request-Timeout", "must be seconds, like 2.5")
        return min(float(text), MAX_SECONDS)
    text = headers.get(b"grpc-timeout")
    if text is None:
        return DEFAULT_SECONDS
    match = GRPC_TIMEOUT.fullmatch(text)
    if match is None or not int(match[1]):
        raise Problem.invalid("grpc-timeout", "must be like 2500m")
    return min(int(match[1]) * UNITS[match[2]], MAX_SECONDS)


async def read_body(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes:
    """The whole body. Raises Problem 413 beyond `limit` bytes, 408 if it does not arrive, ClientGone if cut off."""
    if int(headers.get(b"content-length", 0)) > limit:
        raise too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGone
                body = message.get("body", b"")
                size += len(body)
                if size > limit:
                    raise too_large(limit)
                if not message.get("more_body"):
                    return b"".join([*parts, body]) if parts else body
                parts.append(body)
    except TimeoutError:
        raise Problem(408, "BODY_TOO_SLOW", f"the body did not arrive within {BODY_SECONDS:g} seconds") from None


def too_large(limit: int) -> Problem:
    # The connection stays open: uvicorn reads the rest and drops it. Closed now, the caller would see a broken
    # connection instead of this answer.
    return Problem(413, "BODY_TOO_LARGE", f"the body may have {limit} bytes")
