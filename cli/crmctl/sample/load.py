"""Lets the sample company happen. Interrupted and repeated, it goes on; complete, it adds nothing."""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crmctl.connection import Client, Refused
from crmctl.sample.company import AGENTS, CHANNELS, CONTRACT_MANAGER, ERP, PAGES, PEOPLE, TEAMS, users
from crmctl.sample.stories import Reached, Story, stories
from crmctl.suite import Suite, until_known

_SYSTEM = "sample"
_LABELS = {"sample": "true"}
_CURRENCY = "EUR"
_SPEND_MONTHS = 3
_FIRST_CUSTOMER = 1000  # The ERP's customer numbers count from here.
_THERE = 409
# Lists of the services in which people of the company appear as owners or act.
_SERVICES = ("/v1/leads", "/v1/accounts", "/v1/contracts", "/v1/cases")


def load(client: Client) -> None:
    """Load it into the suite, as an administrator who acts for the people of the company."""
    asyncio.run(_load(client))


async def _load(client: Client) -> None:
    async with Suite(client) as suite:
        for slug, team in TEAMS.items():  # One after the other: a team names its parent.
            await _create(suite, "teams", team, teamId=slug)
        await asyncio.gather(*_foundation(suite))
        people = [f"users/{slug}" for slug in PEOPLE] + [f"serviceAccounts/{ERP}"]
        await asyncio.gather(*(until_known(suite, path, who, pageSize=1) for path in _SERVICES for who in people))
        # The stories end on the day the company was founded here, also when an interrupted load goes on later.
        founded = datetime.fromisoformat((await suite.get("/v1/users/ana"))["createTime"])
        await _Telling(suite, founded.replace(minute=0, second=0, microsecond=0)).all()


def _foundation(suite: Suite) -> Iterator[Awaitable[None]]:
    """Everything that stories refer to."""
    yield _create(suite, "serviceAccounts", {"displayName": "ERP", "roles": ["integration"]}, serviceAccountId=ERP)
    for slug, user in users().items():
        yield _create(suite, "users", user, userId=slug)
    for slug, (name, kind, _) in CHANNELS.items():
        yield _create(suite, "channels", {"displayName": name, "kind": kind}, channelId=slug)
    for slug, name in PAGES.items():
        yield _create(suite, "landingPages", {"displayName": name}, landingPageId=slug)


async def _create(suite: Suite, collection: str, body: Mapping[str, Any], **chosen: Any) -> None:
    """Create a record unless it is there."""
    try:
        await suite.post(f"/v1/{collection}", body, **chosen)
    except Refused as refused:
        if refused.status != _THERE:
            raise


class _Telling:
    """The stories, told up to `now`."""

    def __init__(self, suite: Suite, now: datetime) -> None:
        self._suite, self._now = suite, now

    async def all(self) -> None:
        """Spend, then the leads in two batches, then each lead's own way."""
        told = stories()
        touches = [self._touch(story) for story in told]
        answer, *_ = await asyncio.gather(
            self._suite.post("/v1/touches:batchCreate", {"touches": touches}), *self._spend()
        )
        journeys = [touch["journeyId"] for touch in answer["touches"]]
        rows = [self._lead(story, journey) for story, journey in zip(told, journeys, strict=True)]
        results = (await self._suite.post("/v1/leads:import", {"leads": rows}, once=False))["results"]
        await asyncio.gather(*(self._tell(story, result["lead"]) for story, result in zip(told, results, strict=True)))

    async def _tell(self, story: Story, name: str) -> None:
        lead = await self._suite.get(f"/v1/{name}")
        if story.reached >= Reached.WORKING and lead["state"] in ("NEW", "ASSIGNED"):
            lead = await self._do(story, name, "logCall", 1, outcome="REACHED", note="Wants to know more.")
        if story.ended == "disqualified":
            if lead["state"] != "DISQUALIFIED":
                await self._do(story, name, "disqualify", 2, reason="no_budget")
            return
        if story.reached >= Reached.QUALIFIED and lead["state"] == "WORKING":
            lead = await self._do(story, name, "qualify", 2, note="Budget and need are clear.")
        if story.reached >= Reached.CONVERTED:
            if lead["state"] == "QUALIFIED":
                customer = {"system": ERP, "kind": "customer", "id": str(_FIRST_CUSTOMER + story.number)}
                lead = await self._do(story, name, "convert", 3, accountExternalIds=[customer])
            await self._deal(story, lead["opportunity"], lead["account"])

    async def _deal(self, story: Story, name: str, account: str) -> None:
        deal = await self._suite.get(f"/v1/{name}")
        if deal["state"] == "OPEN" and story.ended == "lost":
            await self._do(story, name, "lose", 4, reason="too_expensive")
        elif deal["state"] == "OPEN" and story.reached >= Reached.WON:
            await self._do(story, name, "win", 4, amount=_euros(story.amount))
        if story.reached >= Reached.IN_APPROVAL:
            await self._contract(story, name.replace("opportunities/", "contracts/"))
        await asyncio.gather(*(self._order(story, account, number) for number in range(story.orders)))
        await asyncio.gather(*(self._case(story, account, number) for number in range(story.cases)))

    async def _contract(self, story: Story, name: str) -> None:
        """The contract that the won deal yields, when it is there."""
        await until_known(self._suite, f"/v1/{name}")
        state = (await self._suite.get(f"/v1/{name}"))["state"]
        if state == "DRAFT":
            state = (await self._do(story, name, "submit", 5))["state"]
        if story.reached >= Reached.ACTIVE:
            if state == "IN_APPROVAL":
                state = (await self._do(story, name, "approve", 6, actor=CONTRACT_MANAGER))["state"]
            if state == "APPROVED":
                await self._do(story, name, "activate", 6, actor=CONTRACT_MANAGER)

    async def _order(self, story: Story, account: str, number: int) -> None:
        amount = _euros(story.amount // 10 + 5 * number)
        order = {
            "account": account,
            "system": _SYSTEM,
            "orderNumber": f"SO-{story.number:02d}-{number + 1}",
            "orderTime": _json(story.at(7 + number, self._now)),
            "lines": [{"product": f"sample-{number + 1}", "quantity": number + 1, "amount": amount}],
            "amount": amount,
            "erpState": "delivered",
        }
        await self._suite.post("/v1/orders", order, actor=f"serviceAccounts/{ERP}")

    async def _case(self, story: Story, account: str, number: int) -> None:
        """The first case of a customer is solved, a second one is open."""
        agent = AGENTS[story.number % len(AGENTS)]
        key = {"system": _SYSTEM, "kind": "case", "id": f"{story.number}-{number + 1}"}
        case = {
            "displayName": ("A part is missing", "Invoice shows the old address")[number],
            "account": account,
            "owner": agent,
            "team": "teams/care",
            "type": ("complaint", "question")[number],
            "description": "Made up for the sample company.",
            "openTime": _json(story.at(8 + number, self._now)),
            "externalIds": [key],
            "labels": _LABELS,
        }
        try:
            name = (await self._suite.post("/v1/cases", case, actor=agent))["name"]
        except Refused as refused:
            if refused.status != _THERE:
                raise
            found = await self._suite.get("/v1/cases", filter=f'external_ids:"{_SYSTEM}/case/{key["id"]}"')
            name = found["cases"][0]["name"]
        if number == 0 and (await self._suite.get(f"/v1/{name}"))["state"] != "RESOLVED":
            await self._do(story, name, "resolve", 9, actor=agent, solution="The part was sent.")

    async def _do(self, story: Story, name: str, verb: str, step: int, actor: str = "", **more: Any) -> dict[str, Any]:
        """A verb on a record, by the lead's owner unless somebody else is named, at the time of the step."""
        time = {_TIME_FIELD[verb]: _json(story.at(step, self._now))}
        return await self._suite.post(f"/v1/{name}:{verb}", time | more, actor=actor or story.owner)

    def _touch(self, story: Story) -> dict[str, Any]:
        return {
            "channel": f"channels/{story.channel}",
            "landingPage": f"landingPages/{story.page}",
            "touchTime": _json(story.at(0, self._now) - timedelta(minutes=3)),
            "externalIds": [{"system": _SYSTEM, "kind": "touch", "id": str(story.number)}],
        }

    def _lead(self, story: Story, journey_id: str) -> dict[str, Any]:
        return {
            "displayName": story.person,
            "company": story.company,
            "email": story.email,
            "channel": f"channels/{story.channel}",
            "landingPage": f"landingPages/{story.page}",
            "owner": story.owner,
            "journeyId": journey_id,
            "contactTime": _json(story.at(0, self._now)),
            "externalIds": [{"system": _SYSTEM, "kind": "lead", "id": str(story.number)}],
            "labels": _LABELS,
        }

    def _spend(self) -> list[Any]:
        """What each channel cost, month by month."""
        entries = []
        for slug, (_, _, cost) in CHANNELS.items():
            for month in range(_SPEND_MONTHS if cost else 0):
                day = self._now - timedelta(days=30 * (month + 1))
                entry = {
                    "channel": f"channels/{slug}",
                    "spendDate": {"year": day.year, "month": day.month, "day": day.day},
                    "amount": _euros(cost),
                    "note": "sample",
                    "externalIds": [{"system": _SYSTEM, "kind": "spend", "id": f"{slug}-{month + 1}"}],
                }
                entries.append(_create(self._suite, "spendEntries", entry))
        return entries


_TIME_FIELD = {
    "logCall": "callTime",
    "disqualify": "closeTime",
    "qualify": "qualifyTime",
    "convert": "convertTime",
    "win": "winTime",
    "lose": "loseTime",
    "submit": "submitTime",
    "approve": "approveTime",
    "activate": "activateTime",
    "resolve": "resolveTime",
}


def _euros(amount: int) -> dict[str, Any]:
    return {"currencyCode": _CURRENCY, "units": str(amount), "nanos": 0}


def _json(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
