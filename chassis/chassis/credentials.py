"""A service's own token, for its calls to neighbours (OAuth 2.0 client credentials)."""

import asyncio
import json
import urllib.parse
import urllib.request
from time import monotonic
from typing import Any

from chassis.settings import Settings
from chassis.telemetry import log

DOUBTED_SECONDS = 1.0  # a token that a neighbour refuses is replaced, but not more often
EARLY_SECONDS = 60.0  # renewed so long before its end: a call under way keeps a token that holds
TIMEOUT_SECONDS = 5.0
MOST_BYTES = 64 * 1024


class Credentials:
    """Fetches the token, keeps it, and renews it in time; one that still holds serves while the issuer is away."""

    def __init__(self, settings: Settings) -> None:
        self._url, self._id, self._secret = settings.oidc_token_url, settings.client_id, settings.client_secret
        self._token, self._fetched, self._renew, self._expires = "", 0.0, 0.0, 0.0
        self._one_at_a_time = asyncio.Lock()

    async def token(self) -> str:
        """Raises OSError if there is none and the issuer gives none."""
        if monotonic() >= self._renew:
            async with self._one_at_a_time:
                if monotonic() >= self._renew:
                    await self._fetch()
        return self._token

    def doubt(self) -> None:
        """A neighbour refused it: the next call fetches another."""
        self._renew = min(self._renew, self._fetched + DOUBTED_SECONDS)

    async def _fetch(self) -> None:
        asked = monotonic()
        try:
            answer = await asyncio.to_thread(self._ask)
            token, lifetime = str(answer["access_token"]), float(answer.get("expires_in", 2 * EARLY_SECONDS))
        except (OSError, ValueError, LookupError, TypeError) as away:
            if asked >= self._expires:
                raise OSError(f"no token from the issuer: {away or type(away).__name__}") from away
            log.warning("the token cannot be renewed yet: %s", away or type(away).__name__)
            self._renew = asked + 1
            return
        self._token, self._fetched, self._expires = token, asked, asked + lifetime
        self._renew = self._expires - min(EARLY_SECONDS, lifetime / 2)

    def _ask(self) -> dict[str, Any]:
        form = {"grant_type": "client_credentials", "client_id": self._id, "client_secret": self._secret}
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(self._url, body, timeout=TIMEOUT_SECONDS) as answer:
            found: dict[str, Any] = json.loads(answer.read(MOST_BYTES))
            return found
