"""A steady mixed load through the gateway: customers won from first contact to contract and case, and imports beside.

Every write has an Idempotency-Key and is sent again with it until it is answered. Some answered calls are made once
more on purpose: the answer must be the same.
"""

import asyncio
import json
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from crmctl.http import ConnectionFailed, Server
from failures.chaos.journal import Journal
from failures.chaos.stage import Stage

PASSING = (429, 499, 502, 503, 504)
CALL_SECONDS = 12.0
WAIT_SECONDS = 90.0  # for what another service does upon an event, faults and all
REPEATED = 0.1  # of the answered writes
ROWS = 10  # of an import
TOKEN_SECONDS = 300


class Unanswered(Exception):
    """The run ended before a call was answered."""


class Refused(Exception):
    """The suite said no, and will say no again."""


class Customers:
    """Workers that tell one story after the other until stopped. Answers that may not be are kept in `surprises`."""

    def __init__(
        self,
        url: str,
        token: Callable[[str], str],
        journal: Journal,
        chance: random.Random,
        patience_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._server, self._mint, self._patience = Server(url, CALL_SECONDS), token, patience_seconds
        self._journal, self._chance = journal, chance
        self._token, self._minted = "", 0.0
        self._stopping = asyncio.Event()
        self.given_up = asyncio.Event()
        self.surprises: list[str] = []
        self.stories = self.answered = self.retried = 0
        self.passing: Counter[str] = Counter()  # what was tried again, by status and reason

    async def prepare(self) -> None:
        """The people the stories are about."""
        await self.post("setup", "/v1/teams", {"displayName": "Chaos"}, teamId="chaos")
        user = {"displayName": "Ana", "team": "teams/chaos", "roles": ["salesperson"]}
        await self.post("setup", "/v1/users", user, userId="ana")
        # Leads and sales hear of Ana by an event.
        probe = {"displayName": "Probe", "owner": "users/ana"}
        await self.post("setup", "/v1/leads", probe, again_if_refused=True)
        await self.post("setup", "/v1/accounts", probe, again_if_refused=True)

    async def heard(self, stage: Stage, number: int) -> None:
        """Returns when a new lead is written and every service that listens to leads has heard of it."""
        made = await self.post("probe", "/v1/leads", {"displayName": f"Probe {number}"})
        async with asyncio.timeout(self._patience):
            await stage.heard("leads", made["name"])

    async def run(self, workers: int) -> None:
        await asyncio.gather(*(self._work(number) for number in range(workers)))

    def stop(self) -> None:
        self._stopping.set()

    async def end(self, load: asyncio.Task[None], seconds: float) -> None:
        """Begins nothing more, and returns when what was begun is done, or given up after `seconds`."""
        self.stop()
        await asyncio.wait([load], timeout=seconds)
        self.given_up.set()
        await load

    async def _work(self, number: int) -> None:
        while not self._stopping.is_set():
            self.stories += 1
            story = f"{number}-{self.stories}-{uuid.UUID(int=self._chance.getrandbits(128)).hex[:8]}"
            try:
                await (self.bring(story) if self._chance.random() < 0.2 else self.win(story))
            except Unanswered:
                return
            except Refused as refused:
                self.surprises.append(str(refused))

    # ---- stories

    async def win(self, story: str) -> None:
        """A lead becomes a customer with a contract and a case."""
        key = [{"system": "chaos", "id": story}]
        lead = await self.post(
            story, "/v1/leads", {"displayName": f"Lead {story}", "externalIds": key, "owner": "users/ana"}
        )
        await self.post(story, f"/v1/{lead['name']}:qualify", {"note": "called"})
        asked = {"accountDisplayName": f"Account {story}", "opportunityOwner": "users/ana"}
        await self.post(story, f"/v1/{lead['name']}:convert", asked)
        lead = await self.until(f"/v1/{lead['name']}", lambda lead: lead.get("state") == "CONVERTED")
        amount = {"currencyCode": "EUR", "units": str(self._chance.randrange(100, 10_000))}
        await self.until(f"/v1/{lead['opportunity']}", lambda deal: deal.get("state") == "OPEN")
        await self.post(story, f"/v1/{lead['opportunity']}:win", {"amount": amount})
        contract = lead["opportunity"].replace("opportunities/", "contracts/")
        await self.until(f"/v1/{contract}", lambda found: found.get("state") == "DRAFT")
        await self.post(story, f"/v1/{contract}:submit", {}, actor="users/ana")
        await self.post(story, f"/v1/{contract}:approve", {})
        await self.post(story, f"/v1/{contract}:activate", {})
        order = {
            "account": lead["account"], "system": "erp", "orderNumber": story, "amount": amount,
            "lines": [{"product": "chair", "quantity": 1, "amount": amount}],
        }  # fmt: skip
        await self.post(story, "/v1/orders", order)
        case = {"displayName": f"Case {story}", "account": lead["account"], "externalIds": key}
        await self.post(story, "/v1/cases", case, again_if_refused=True)

    async def bring(self, story: str) -> None:
        """An import of some leads."""
        rows = [
            {"displayName": f"Row {story} {row}", "externalIds": [{"system": "chaos", "id": f"{story}/{row}"}]}
            for row in range(ROWS)
        ]
        await self.post(story, "/v1/leads:import", {"leads": rows})

    # ---- calls

    async def post(
        self, story: str, path: str, body: dict, *, actor: str = "", again_if_refused: bool = False, **query: str
    ) -> dict[str, Any]:
        """One write, sent until it is answered; sometimes made once more. `again_if_refused`: what it needs may be on
        its way by an event."""
        line = {
            "n": self._journal.number(), "sent": time.time(), "answered": None, "method": "POST", "path": path,
            "key": str(uuid.UUID(int=self._chance.getrandbits(128), version=4)), "actor": actor, "body": body,
            "status": None, "answer": None, "attempts": 0, "repeat_of": None, "story": story,
        }  # fmt: skip
        until = time.monotonic() + (self._patience if again_if_refused else 0)
        while True:
            answer = await self._sent(line, query)
            if answer is None or line["status"] < 400 or time.monotonic() > until:
                break
            line["key"] = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
            await asyncio.sleep(1)
        self._journal.write(line)
        if answer is None:
            raise Unanswered()
        if line["status"] >= 400:
            raise Refused(f"{path} of {story}: {line['status']} {json.dumps(answer)[:300]}")
        if self._chance.random() < REPEATED:
            await self._repeat(line, query)
        return answer

    async def _repeat(self, line: dict, query: dict) -> None:
        again = {**line, "n": self._journal.number(), "repeat_of": line["n"], "answered": None, "attempts": 0}
        await self._sent(again, query)
        self._journal.write(again)

    async def _sent(self, line: dict, query: dict) -> dict[str, Any] | None:
        """Sends until there is an answer that will not change by asking again; None if the run ends before."""
        pause = 0.05
        while not self.given_up.is_set():
            line["attempts"] += 1
            headers = {"idempotency-key": line["key"], **({"crm-actor": line["actor"]} if line["actor"] else {})}
            try:
                answer = await self._call("POST", line["path"], query, headers, line["body"])
            except ConnectionFailed:
                answer = None
            if answer is None or answer.status in PASSING:
                self.passing[said(answer)] += 1
            else:
                line |= {"answered": time.time(), "status": answer.status, "answer": answer.json()}
                self.answered += 1
                self.retried += line["attempts"] > 1
                return line["answer"]
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.5))
            pause = min(pause * 2, 1.0)
        return None

    async def until(self, path: str, fact: Callable[[dict], bool]) -> dict[str, Any]:
        """Reads until something is so."""
        end, last = time.monotonic() + self._patience, None
        while time.monotonic() < end and not self.given_up.is_set():
            try:
                answer = await self._call("GET", path, {}, {})
                last = (answer.status, answer.json())
                if answer.status == 200 and fact(last[1]):
                    return last[1]
            except ConnectionFailed as failed:
                last = (0, str(failed))
            await asyncio.sleep(0.1)
        if self.given_up.is_set():
            raise Unanswered()
        raise Refused(f"{path} is not as expected after {self._patience:.0f} s: {str(last)[:300]}")

    async def _call(self, method: str, path: str, query: dict, headers: dict, body: Any = None) -> Any:
        if time.monotonic() - self._minted > TOKEN_SECONDS or not self._token:
            self._token, self._minted = self._mint("users/admin"), time.monotonic()
        return await self._server.call(method, path, query, {"authorization": f"Bearer {self._token}", **headers}, body)


def said(answer: Any) -> str:
    """What an answer that is asked for again was: `503 SERVICE_AWAY`, or that there was none."""
    if answer is None:
        return "no connection"
    reason = answer.json().get("reason", "") if "json" in answer.headers.get("content-type", "") else ""
    waits = "" if "retry-after" in answer.headers or answer.status not in (429, 503) else " without Retry-After"
    return f"{answer.status} {reason}{waits}"
