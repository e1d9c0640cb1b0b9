"""Calls to servers of others, over HTTP: to the address that the company configured and nowhere else.

No redirects, no proxies, no more than a second's worth of bytes and ten seconds: a server that is slow, huge or
captured keeps nobody busy and sends nobody on to a neighbour inside.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

SECONDS = 10.0
MOST_BYTES = 256 * 1024
PASSING = (408, 425, 429)  # refusals that end by themselves


class OutsideAway(Exception):
    """Not now; it may work later. Its text is a code that may be shown: it holds nothing that was sent or answered."""


class OutsideRefused(Exception):
    """Not at all; the same again is of no use. Its text is a code that may be shown."""


@dataclass(frozen=True)
class Call:
    """What is asked."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Any = None  # JSON; None: no body


def address(url: str) -> str:
    """What is wrong with an address that somebody configured; empty if nothing is."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("https", "http") and parts.hostname and (parts.port or 1) and "{" not in parts.netloc
    except ValueError:
        known = False
    if not known:
        return "is no http(s) address"
    if parts.username or parts.password:
        return "holds a password; send it as a header"
    return ""


async def ask(call: Call, seconds: float | None = None) -> Any:
    """The JSON of a 2xx answer, None if it has no body. OutsideAway or OutsideRefused, whatever else comes."""
    most = seconds or SECONDS
    import httpx  # takes memory: only who asks pays for it

    try:
        async with (
            asyncio.timeout(most),
            httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=most) as client,
            client.stream(call.method, call.url, headers=dict(call.headers), json=call.body) as answer,
        ):
            if answer.status_code >= 500 or answer.status_code in PASSING:
                raise OutsideAway(f"HTTP {answer.status_code}")
            if not answer.is_success:
                raise OutsideRefused(f"HTTP {answer.status_code}")
            content = bytearray()
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise OutsideRefused("TOO_LARGE")
    except TimeoutError as late:
        raise OutsideAway("TIMEOUT") from late
    except httpx.TimeoutException as late:
        raise OutsideAway("TIMEOUT") from late
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError, ValueError) as unfit:
        raise OutsideRefused("UNFIT_REQUEST") from unfit
    except (httpx.HTTPError, OSError) as away:
        raise OutsideAway("UNREACHABLE") from away
    return _decoded(bytes(content))


def _decoded(content: bytes) -> Any:
    if not content.strip():
        return None
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as junk:
        raise OutsideRefused("NOT_JSON") from junk
