"""The token says who is calling: verified here, by every service itself."""

import asyncio
import hashlib
import json
import time
from typing import Any

import jwt

from chassis.errors import Unauthenticated, Unavailable
from chassis.settings import Settings

ALGORITHMS = ["RS256", "ES256", "EdDSA"]
LEEWAY_SECONDS = 30  # clocks of issuer and service may differ by this
MOST_CACHED = 10_000


class TokenRefused(Unauthenticated):
    """The request carries no valid token."""


class IssuerAway(Unavailable):
    """The issuer of tokens cannot be reached, and this token's key is not known yet."""


class Tokens:
    """Verifies tokens and remembers those verified by their hash until they expire."""

    def __init__(self, settings: Settings) -> None:
        self._issuer, self._audience = settings.oidc_issuer, settings.oidc_audience
        self._keys = jwt.PyJWKClient(settings.oidc_jwks_url, cache_keys=True, lifespan=300, timeout=2)
        self._verified: dict[bytes, tuple[str, float]] = {}

    async def subject(self, authorization: str) -> str:
        """The `sub` of a bearer token; TokenRefused if it is missing, forged, expired or for somebody else."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenRefused()
        key = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(key)
        if known and known[1] > time.time():
            return known[0]
        try:
            signing_key = await self._signing_key(token)
            claims = jwt.decode(
                token,
                signing_key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
        except jwt.PyJWTError as refused:
            raise TokenRefused() from refused
        if len(self._verified) >= MOST_CACHED:
            self._verified.clear()
        self._verified[key] = (claims["sub"], claims["exp"])
        return str(claims["sub"])

    async def _signing_key(self, token: str) -> Any:
        """The issuer's key for this token, with the algorithm it is for; fetched off the event loop when it is not
        known yet."""
        try:
            return await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
        except (jwt.PyJWKClientConnectionError, json.JSONDecodeError) as away:
            raise IssuerAway() from away
