"""A service's own token, for its calls to neighbours."""

import asyncio
import json
import time
import urllib.parse
import urllib.request
from typing import Any

from chassis.settings import Settings


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
