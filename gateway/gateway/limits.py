"""How much one caller may ask for, each with its reason, and the refusals."""

import asyncio
import re

from starlette.types import Receive

from gateway import objectives
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
# Requests whose body or message is still on its way. They hold no place, but up to 8 MB each.
ARRIVING = 64
# Streams of answers last as long as their callers; each costs memory, not work.
STREAMS = 128
# A person has given up after 10 s; 30 s is the services' own cap.
DEFAULT_SECONDS = 10.0
MAX_SECONDS = 30.0
# A body that trickles in is one of ARRIVING.
BODY_SECONDS = 10.0
# A head is one or two packets; whoever needs longer opens connections to keep them.
HEAD_SECONDS = 10.0
# Longer than the pause of a person who reads, and than most balancers keep theirs. An answer must be read in it, too.
IDLE_SECONDS = 75
# For the next part of a stream to leave: its caller reads too slowly, and can go on where it was.
UNREAD_SECONDS = 20.0
# A few KB each while idle; the process raises the number of files it may open to match.
CONNECTIONS = 16_000
# Other systems keep one each, and browsers cannot speak it.
GRPC_CONNECTIONS = 1_000
# Answers that their callers do not read. Beyond, the largest are cut off.
UNSENT_BYTES = 64 << 20
# Bytes of a refused body that are read and dropped, so that the caller sees the refusal and not a broken connection.
DROPPED_BYTES = 16 << 20
# Requests sent ahead of their answers; libraries that pipeline at all send a handful.
PIPELINED = 8
# From half a millisecond to half a minute in steps of a quarter: a percentile is known to an eighth. What is promised
# of a class of calls is among them.
ANSWERED_BUCKETS = tuple(sorted({round(0.0005 * 1.25**step, 6) for step in range(50)} | {*objectives.SECONDS.values()}))

GRPC_TIMEOUT = re.compile(rb"(\d{1,8})([HMSmun])")
SECONDS = re.compile(rb"\d{1,6}(\.\d{1,6})?")
UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


class ClientGone(Exception):
    """The caller closed the connection: nobody is there to answer."""


def check_head(raw_headers: list[tuple[bytes, bytes]], url_bytes: int) -> None:
    """Raises Problem 414 or 431."""
    if url_bytes > URL_BYTES:
        raise Problem(414, "URL_TOO_LONG", f"the URL may have {URL_BYTES} bytes, not {url_bytes}")
    if sum([len(name) + len(value) for name, value in raw_headers]) > HEAD_BYTES:
        raise Problem(431, "HEADERS_TOO_LARGE", f"the headers may have {HEAD_BYTES} bytes")


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
