"""The token says who is calling: verified here, by every service itself.

A token is a JWT of the company's issuer (RFC 7519 with the advice of RFC 8725), signed with one of its published keys.
Where its text could be read in two ways it is refused; what it says about keys itself (jwk, jku, x5u) is not looked at.
"""

import hashlib
import json
import re
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import jwt

from chassis.errors import Unauthenticated
from chassis.settings import Settings
from chassis.signing_keys import SigningKeys
from chassis.values import unix_time

LEEWAY_SECONDS = 30  # clocks of issuer and service may differ by this
MOST_CACHED = 10_000
MOST_CHARACTERS = 8 * 1024  # a token is 1-2 KB
MOST_SUBJECT = 255  # OpenID Connect Core §2
FORM = re.compile(r"[\w-]+\.[\w-]*\.[\w-]+", re.ASCII)
TYPES = {"jwt", "at+jwt", "application/at+jwt"}  # a logout or a security event token is no access token
_JWS = jwt.PyJWS()


class TokenRefused(Unauthenticated):
    """The request carries no valid token."""

    def __init__(self, why: str = "refused") -> None:
        """`why` is for metrics and the audit; a caller is told nothing that would help to make a better one."""
        super().__init__()
        self.why = why


class TokenLivesTooLong(TokenRefused):
    """The token is valid for longer than this installation accepts: a shorter lifetime is a setting of the issuer."""


@dataclass(frozen=True, slots=True)
class _Verified:
    subject: str
    until: float  # unix time
    generation: int  # of the keys


class Tokens:
    """Verifies tokens and remembers those verified, by their hash, until they expire or a key is withdrawn."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = unix_time) -> None:
        self._issuer, self._audience = settings.oidc_issuer, settings.oidc_audience
        self._longest, self._clock = settings.oidc_lifetime_seconds, clock
        self.keys = SigningKeys(settings.oidc_jwks_url)
        self._verified: dict[bytes, _Verified] = {}
        self.refused: Counter[str] = Counter()  # why → how often, for /metrics

    async def subject(self, authorization: str) -> str:
        """The `sub` of a bearer token. Raises TokenRefused if it is missing, forged, expired or for somebody else,
        IssuerAway if nobody can tell at the moment."""
        scheme, _, token = authorization.partition(" ")
        try:
            if scheme.lower() != "bearer" or not token:
                raise TokenRefused("missing")
            if len(token) > MOST_CHARACTERS or not FORM.fullmatch(token):
                raise TokenRefused("form")
            key = hashlib.sha256(token.encode()).digest()
            known = self._verified.get(key)
            if known and known.generation == self.keys.generation and self.keys.known() and self._clock() < known.until:
                return known.subject
            self._verified.pop(key, None)
            return await self._verify(token, key)
        except TokenRefused as refused:
            self.refused[refused.why] += 1
            raise

    async def _verify(self, token: str, key: bytes) -> str:
        generation = self.keys.generation
        signing_key = await self.keys.find(key_id(token))
        if signing_key is None:
            raise TokenRefused("unknown_key")
        claims = strict_object(payload(token, signing_key))
        subject, until = self._accepted(claims)
        if len(self._verified) >= MOST_CACHED:
            self._verified.pop(next(iter(self._verified)))
        self._verified[key] = _Verified(subject, until, generation)
        return subject

    def _accepted(self, claims: dict[str, Any]) -> tuple[str, float]:
        """Who it is, and the moment from which the token counts no more."""
        now = self._clock()
        if claims.get("iss") != self._issuer:
            raise TokenRefused("issuer")
        audience = claims.get("aud")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenRefused("audience")
        issued, expires = _seconds(claims, "iat"), _seconds(claims, "exp")
        if expires + LEEWAY_SECONDS <= now:
            raise TokenRefused("expired")
        if max(issued, _seconds(claims, "nbf") if "nbf" in claims else issued) > now + LEEWAY_SECONDS:
            raise TokenRefused("not_yet_valid")
        if expires - issued > self._longest:
            raise TokenLivesTooLong("lifetime")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= MOST_SUBJECT or not subject.isprintable():
            raise TokenRefused("subject")
        return subject, expires + LEEWAY_SECONDS


def key_id(token: str) -> str:
    """Which key a token says it is signed with; nothing else in its header has a say."""
    segment = token.partition(".")[0]
    try:
        header = strict_object(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except ValueError as wrong:
        raise TokenRefused("form") from wrong
    found, kind = header.get("kid"), header.get("typ", "JWT")
    if not isinstance(found, str) or not found:
        raise TokenRefused("unknown_key")
    # `crit` names extensions that must be understood (we understand none), `b64` is one of them.
    if "crit" in header or "b64" in header or not isinstance(kind, str) or kind.lower() not in TYPES:
        raise TokenRefused("form")
    return found


def payload(token: str, key: jwt.PyJWK) -> bytes:
    """What was signed, if `key` signed it with the algorithm it is published for."""
    try:
        signed: bytes = _JWS.decode(token, key, algorithms=[key.algorithm_name])
    except (jwt.PyJWTError, ValueError, TypeError) as refused:
        raise TokenRefused("algorithm" if isinstance(refused, jwt.InvalidAlgorithmError) else "signature") from refused
    return signed


def strict_object(text: bytes) -> dict[str, Any]:
    """A JSON object in which no name comes twice: two readers could believe two different ones."""
    try:
        found = json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as wrong:
        raise TokenRefused("form") from wrong
    if not isinstance(found, dict):
        raise TokenRefused("form")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name comes twice")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _seconds(claims: dict[str, Any], name: str) -> float:
    """A NumericDate: a number of seconds, perhaps with a fraction; never a string."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenRefused("times")
    try:
        seconds = float(value)
    except OverflowError as huge:
        raise TokenRefused("times") from huge
    if not isfinite(seconds) or seconds < 0:
        raise TokenRefused("times")
    return seconds
