"""The keys that the issuer signs tokens with, kept fresh and kept through an outage of the issuer.

Fetched at the start and every minute in the background, so no call waits for the issuer: a key that was withdrawn is
believed for a minute more, one that came newly is fetched when the first token names it. While the issuer is away the
last known keys serve, for a day: long enough for a night's outage; a withdrawn key shall not be believed for ever.
"""

import asyncio
import json
import time
import urllib.request
from collections import Counter
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from chassis.errors import Unavailable
from chassis.telemetry import log

# What signs with a public key. A shared secret never does: whoever may verify could then sign.
KINDS = {"RS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth")  # no issuer should publish them; a public key is all we want
SMALLEST_RSA_BITS = 2048
REFRESH_SECONDS = 60.0  # how long a withdrawn key is believed
AGAIN_SECONDS = 1.0  # between two fetches for unknown key ids, and after one that failed: made-up ids cost no more
KEEP_SECONDS = 24 * 3600.0  # how long the keys serve without the issuer
TIMEOUT_SECONDS = 2.0
MOST_BYTES = 256 * 1024


class IssuerAway(Unavailable):
    """The issuer of tokens cannot be reached, and this token's key is not known yet."""


class SigningKeys:
    """The keys by their ids. `generation` grows when a key goes: what was verified before has to be looked at again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._document = b""
        self._fetched, self._failed = -KEEP_SECONDS, False
        self._not_before = 0.0
        self._fetching: asyncio.Task[None] | None = None
        self.generation = 0

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """The key of that id; None if the issuer has no such key. Raises IssuerAway if only the issuer could tell."""
        if key_id not in self._keys:
            under_way = self._fetching is not None and not self._fetching.done()
            if under_way or time.monotonic() >= self._not_before:
                self._not_before = time.monotonic() + AGAIN_SECONDS
                await self.refresh()
        found = self._keys.get(key_id)
        if not self.known() or (found is None and self._failed):
            raise IssuerAway()
        return found

    def known(self) -> bool:
        """Whether the keys are young enough to be believed."""
        return time.monotonic() - self._fetched < KEEP_SECONDS

    def age_seconds(self) -> float:
        """How long ago the issuer last said which keys are valid."""
        return time.monotonic() - self._fetched

    async def run(self) -> None:
        """Refreshes for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(AGAIN_SECONDS if self._failed else REFRESH_SECONDS)

    async def refresh(self) -> None:
        """Asks the issuer once, however many wait for it; what is known stays if it does not answer."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._refresh())
        await asyncio.shield(self._fetching)  # a caller that gives up takes the answer from nobody else

    async def _refresh(self) -> None:
        try:
            document = await asyncio.to_thread(self._fetch)
            if document != self._document:
                self._take(usable(document))
                self._document = document
        except (OSError, ValueError) as away:
            if not self._failed:
                log.warning("the issuer's keys cannot be read, the known ones stay: %s", away or type(away).__name__)
            self._failed = True
        else:
            self._fetched, self._failed = time.monotonic(), False

    def _take(self, keys: dict[str, jwt.PyJWK]) -> None:
        stay = all(key_id in keys and _material(keys[key_id]) == _material(old) for key_id, old in self._keys.items())
        if not stay:
            self.generation += 1
        self._keys = keys

    def _fetch(self) -> bytes:
        until, found = time.monotonic() + 2 * TIMEOUT_SECONDS, b""
        with urllib.request.urlopen(self._url, timeout=TIMEOUT_SECONDS) as answer:
            while piece := answer.read1(MOST_BYTES):
                found += piece
                if len(found) > MOST_BYTES or time.monotonic() > until:  # its timeout is for each piece
                    raise ValueError("the key set is too long, or comes too slowly")
        return found


def usable(document: bytes) -> dict[str, jwt.PyJWK]:
    """The keys of a JWKS (RFC 7517) that may verify a token, by id; none at all if the issuer withdrew them all.
    ValueError if the document is no JWKS.

    Left out are encryption keys, shared secrets, weak keys, those of another kind than their algorithm, without an id,
    and those with the id of another: which of the two was meant, nobody can tell.
    """
    try:
        listed = json.loads(document)["keys"]
    except (KeyError, TypeError, RecursionError) as wrong:
        raise ValueError("no key set") from wrong
    if not isinstance(listed, list):
        raise ValueError("no key set")
    entries = [entry for entry in listed if isinstance(entry, dict)]
    ids = Counter(str(entry.get("kid")) for entry in entries)
    found = {}
    for entry in entries:
        key_id, key = entry.get("kid"), _key(entry)
        if isinstance(key_id, str) and key_id and key is not None and ids[key_id] == 1:
            found[key_id] = key
        else:
            log.warning("a key of the issuer is not used: %.100s", key_id)
    return found


def _key(entry: Mapping[str, Any]) -> jwt.PyJWK | None:
    operations = entry.get("key_ops", ["verify"])
    if entry.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        key = jwt.PyJWK({name: value for name, value in entry.items() if name not in PRIVATE})
    except (jwt.PyJWTError, ValueError, TypeError, NotImplementedError):
        return None
    if KINDS.get(key.algorithm_name) != (entry.get("kty"), entry.get("crv")):
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < SMALLEST_RSA_BITS:
        return None
    return key


def _material(key: jwt.PyJWK) -> tuple[object, ...]:
    return (key.algorithm_name, key.key)
