"""Who is calling, and how far their permissions reach.

The token says who (verified here, by every service); directory's roles, read from this service's own `members`
projection, say what they may do.
"""

import asyncio
import hashlib
import json
import time
import tomllib
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Any

import jwt

from chassis.errors import NotPermitted, Unauthenticated, Unavailable
from chassis.settings import Settings

ALGORITHMS = ["RS256", "ES256", "EdDSA"]
LEEWAY_SECONDS = 30  # clocks of issuer and service may differ by this
MOST_CACHED = 10_000


class TokenRefused(Unauthenticated):
    """The request carries no valid token."""


class CallerUnknown(Unauthenticated):
    """The token is valid, but directory does not know this identity, or it was deactivated."""


class IssuerAway(Unavailable):
    """The issuer of tokens cannot be reached, and this token's key is not known yet."""


class Reach(IntEnum):
    """How far a permission reaches; a larger one contains the smaller."""

    OWN = 1
    TEAM = 2
    SUBTREE = 3
    ALL = 4


@cache
def roles() -> dict[str, dict[str, Reach]]:
    """Role → permission → reach, from roles.toml."""
    text = files("chassis").joinpath("roles.toml").read_text()
    return {
        role: {permission: Reach[reach.upper()] for permission, reach in given.items()}
        for role, given in tomllib.loads(text).items()
    }


@dataclass(frozen=True)
class Caller:
    """Who calls, and on whose behalf. Rights are the caller's; authorship is the actor's."""

    name: str
    actor: str
    team: str = ""  # the actor's
    roles: tuple[str, ...] = ()
    teams: frozenset[str] = field(default=frozenset())  # the caller's team
    subtree: frozenset[str] = field(default=frozenset())  # and the teams below
    source: str = ""  # from where the call came

    def reach(self, permission: str) -> Reach:
        """How far `permission` reaches for this caller; NotPermitted if not at all."""
        given = roles()
        reaches = [
            reach
            for role in self.roles
            for reach in (given.get(role, {}).get(permission), given.get(role, {}).get("*"))
            if reach
        ]
        if not reaches:
            raise NotPermitted(permission=permission)
        return max(reaches)

    def may(self, permission: str) -> bool:
        try:
            return bool(self.reach(permission))
        except NotPermitted:
            return False

    def sees(self, reach: Reach, owner: str, team: str) -> bool:
        """Whether a record of this owner and team lies within `reach`."""
        if reach is Reach.ALL or owner in (self.name, self.actor):
            return True
        return (reach is Reach.TEAM and team in self.teams) or (reach is Reach.SUBTREE and team in self.subtree)


def service_caller(service: str, actor: str = "") -> Caller:
    """The service itself, at work on an event or a saga that `actor` caused."""
    name = f"services/{service}"
    return Caller(name=name, actor=actor or name, roles=("service",))


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


class Credentials:
    """This service's own token for calls to its neighbours (OAuth 2.0 client credentials), renewed in time."""

    def __init__(self, settings: Settings) -> None:
        self._url, self._id, self._secret = settings.oidc_token_url, settings.client_id, settings.client_secret
        self._token, self._expires = "", 0.0

    async def token(self) -> str:
        if time.time() > self._expires - 60:
            answer = await asyncio.to_thread(self._fetch)
            self._token, self._expires = answer["access_token"], time.time() + answer["expires_in"]
        return self._token

    def _fetch(self) -> dict[str, Any]:
        form = {"grant_type": "client_credentials", "client_id": self._id, "client_secret": self._secret}
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(self._url, body, timeout=5) as answer:
            return json.load(answer)
