"""The suite's public API for many calls at once. Every call may be repeated without harm, so it is."""

import asyncio
import json
import random
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from crmctl.connection import Client, Refused
from crmctl.http import Answer, ConnectionFailed, Server
from crmctl.problem import Problem

IN_FLIGHT = 20
PAGE = 1000
_ATTEMPTS = 10
_ATTEMPTS_IN_TURN = 60  # of who has too much under way: its own calls stand before it, and they will end
_LONGEST_PAUSE_SECONDS = 5.0
_CALL_SECONDS = 30
# Worth another try: too many requests, a part of the suite away, too late.
_FOR_NOW = (429, 503, 504)
_TOO_MUCH = (429, 503)
# What an event will tell a service in a moment: 401 and 403 for people, 404 for records.
_NOT_KNOWN = (401, 403, 404)
_KNOWN_WITHIN_TRIES = 120
_LONGEST_WAIT_SECONDS = 0.5
_KEYS = uuid.UUID("5b9f0a52-6f0e-5f3c-9a44-8e1f6f1f8c63")


class Suite:
    """JSON over HTTP, at most IN_FLIGHT calls at a time, as the caller of `client`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._server = Server(client.url, _CALL_SECONDS + 5)
        self.run = str(uuid.uuid4())

    async def __aenter__(self) -> "Suite":
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.close()

    async def get(self, path: str, actor: str = "", **params: Any) -> dict[str, Any]:
        """The resource or page at `path`."""
        return (await self._call("GET", path, None, params, {"crm-actor": actor})).json()

    async def document(self, path: str, **params: Any) -> bytes:
        """The file at `path`."""
        return (await self._call("GET", path, None, params, {})).body

    async def post(
        self, path: str, body: Mapping[str, Any], actor: str = "", once: bool = True, **params: Any
    ) -> dict[str, Any]:
        """Create or a verb, for `actor` if one is given.

        The idempotency key is made from the call itself, so that an interrupted run is taken up where it stopped.
        With `once` False only this run's own repetitions are recognised: for calls that recognise what they have,
        and whose answer tells what they did.
        """
        said = json.dumps([path, params, actor, "" if once else self.run, body], sort_keys=True)
        headers = {"crm-actor": actor, "idempotency-key": str(uuid.uuid5(_KEYS, said))}
        return (await self._call("POST", path, body, params, headers)).json()

    async def all(self, path: str, field: str, **params: Any) -> list[dict[str, Any]]:
        """Every item of a list; `field` is the list's name in the answer, e.g. `leads`."""
        page = await self.get(path, pageSize=PAGE, **params)
        found = list(page[field])
        while page["nextPageToken"]:
            page = await self.get(path, pageSize=PAGE, pageToken=page["nextPageToken"], **params)
            found += page[field]
        return found

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, params: Mapping[str, Any], headers: dict[str, str]
    ) -> Answer:
        """One call, tried again while the suite is busy. Raises Refused for an answer that would not change."""
        given = {name: value for name, value in headers.items() if value} | {"request-timeout": str(_CALL_SECONDS)}
        renew = False
        attempt, most = 0, _ATTEMPTS
        while True:
            attempt += 1
            given["authorization"] = f"Bearer {self._client.bearer(renew)}"
            try:
                async with self._places:
                    answer = await self._server.call(method, path, params, given, body)
                    most = _ATTEMPTS_IN_TURN if answer.status == 429 else _ATTEMPTS
                    if answer.status in _TOO_MUCH and attempt < most:
                        await asyncio.sleep(pause(attempt))  # in its place: who is told to slow down sends less
            except ConnectionFailed as problem:
                if attempt >= _ATTEMPTS:
                    raise Problem(f"The suite at {self._client.url} does not answer: {problem}.") from None
            else:
                if 200 <= answer.status < 300:
                    return answer
                refused = Refused(answer.status, answer.json())
                renew = answer.status == 401 and not renew
                if (not renew and not _only_for_now(refused)) or attempt >= most:
                    raise refused
                if renew:
                    continue
            await asyncio.sleep(pause(attempt))


def pause(attempt: int, first_seconds: float = 0.05) -> float:
    """Seconds before the next try: doubling, with some chance, so that many do not come back together."""
    return min(first_seconds * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS) * random.uniform(0.8, 1.2)


async def until_known(suite: Suite, path: str, actor: str = "", **params: Any) -> None:
    """Wait until `path` answers: until its service has heard, by an event, of the caller, the actor or the record."""
    for attempt in range(1, _KNOWN_WITHIN_TRIES + 1):
        try:
            await suite.get(path, actor, **params)
            return
        except Refused as refused:
            if refused.status not in _NOT_KNOWN or attempt == _KNOWN_WITHIN_TRIES:
                raise
        await asyncio.sleep(min(pause(attempt), _LONGEST_WAIT_SECONDS))


def _only_for_now(refused: Refused) -> bool:
    return refused.status in _FOR_NOW or refused.reason in ("BUSY", "ABORTED")
