"""The company that is measured: who works there, and the stories that `rows` copies. Told through the public API."""

import asyncio
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from crmctl.suite import Suite, until_known

from bench.stand import Stand

SYSTEMS = 8  # other programs that bring leads, each with a token of its own
SELLERS_IN_A_TEAM = 10
CHANNELS = ("search-ads", "newsletter", "trade-fair", "partners", "web")
# What tells one customer from the next in names, addresses and numbers: so many digits, found again by `rows`.
SERIAL = "99000000{:04}"
# Every 4,000th lead has the same name and another company: as often as people in a real company's leads share one.
GIVEN = "Ana Boris Galina Hugo João Katya Luísa Martin Nadia Zoran"
FIRST = "Al Bar Cas Dob Fer Gar Hol Iva Kar Lop Mar Nik Oli Pet Rod San Tod Vas Wei Zhe"
LAST = "anov berg cheva dez eira fonso gov hansen iano jevic kova linas mann nikova oso pulos quez roth ski ton"
FAMILIES = [first + last for first in FIRST.split() for last in LAST.split()]
PEOPLE = [f"{given} {family}" for given in GIVEN.split() for family in FAMILIES]
LISTENERS = ("/v1/leads", "/v1/accounts", "/v1/contracts", "/v1/cases", "/v1/customers")


class Fate(IntEnum):
    """How far a lead came."""

    ASSIGNED = 0
    WORKING = 1
    DISQUALIFIED = 2
    QUALIFIED = 3
    CONVERTED = 4
    CUSTOMER = 5


# Of ten leads: what became of each. A tenth of all become customers with a contract, two orders and a case.
FATES = (
    *(Fate.ASSIGNED, Fate.ASSIGNED, Fate.WORKING, Fate.WORKING, Fate.DISQUALIFIED),
    *(Fate.QUALIFIED, Fate.QUALIFIED, Fate.QUALIFIED, Fate.CONVERTED, Fate.CUSTOMER),
)


@dataclass(frozen=True)
class Company:
    """So many salespeople, and so many leads to copy."""

    sellers: int = 50
    stories: int = 100

    @property
    def people(self) -> list[str]:
        return [f"seller-{number:02}" for number in range(self.sellers)]

    def owner(self, story: int) -> str:
        """Each has leads of different fates."""
        return f"users/{self.people[(story * 7 + story // len(FATES)) % self.sellers]}"

    async def hire(self, stand: Stand) -> None:
        """Teams, people, channels and the systems that bring leads, known to every service."""
        async with Suite(stand.client) as suite:
            await suite.post("/v1/teams", {"displayName": "Sales"}, teamId="sales")
            teams = range((self.sellers + SELLERS_IN_A_TEAM - 1) // SELLERS_IN_A_TEAM)
            made = [
                suite.post("/v1/teams", {"displayName": f"Sales {n}", "parent": "teams/sales"}, teamId=f"sales-{n}")
                for n in teams
            ]
            await asyncio.gather(*made)
            for number, slug in enumerate(self.people):
                team = f"teams/sales-{number // SELLERS_IN_A_TEAM}"
                user = {"displayName": f"Seller {number}", "team": team, "roles": ["salesperson"]}
                made.append(suite.post("/v1/users", user, userId=slug))
            for number in range(SYSTEMS):
                system = {"displayName": f"Web site {number}", "roles": ["importer"]}
                made.append(suite.post("/v1/serviceAccounts", system, serviceAccountId=f"web-{number}"))
            made += [
                suite.post("/v1/channels", {"displayName": slug, "kind": "search"}, channelId=slug) for slug in CHANNELS
            ]
            await asyncio.gather(*made[len(teams) :])
            who = [*(f"users/{slug}" for slug in self.people), *systems()]
            await asyncio.gather(*(until_known(suite, path, name, pageSize=1) for path in LISTENERS for name in who))

    async def tell(self, stand: Stand) -> None:
        """The stories, each to the end its number gives it."""
        async with Suite(stand.client) as suite:
            rows = [self._lead(story) for story in range(self.stories)]
            results = (await suite.post("/v1/leads:import", {"leads": rows}))["results"]
            names = [result["lead"] for result in results]
            await asyncio.gather(*(self._story(suite, story, names[story]) for story in range(self.stories)))

    def _lead(self, story: int) -> dict[str, Any]:
        serial = SERIAL.format(story)
        return lead(serial, CHANNELS[story // len(FATES) % len(CHANNELS)]) | {"owner": self.owner(story)}

    async def _story(self, suite: Suite, story: int, name: str) -> None:
        fate, serial, owner = FATES[story % len(FATES)], SERIAL.format(story), self.owner(story)
        if fate is Fate.ASSIGNED:
            return
        await suite.post(f"/v1/{name}:logCall", {"outcome": "REACHED", "note": "Wants to know more."}, actor=owner)
        if fate is Fate.DISQUALIFIED:
            await suite.post(f"/v1/{name}:disqualify", {"reason": "no_budget"}, actor=owner)
        if fate < Fate.QUALIFIED:
            return
        await suite.post(f"/v1/{name}:qualify", {"note": "Budget and need are clear."}, actor=owner)
        if fate < Fate.CONVERTED:
            return
        key = {"system": "erp", "kind": "customer", "id": serial}
        made = await suite.post(f"/v1/{name}:convert", {"accountExternalIds": [key]}, actor=owner)
        if fate is Fate.CUSTOMER:
            await _customer(suite, serial, owner, made["account"], made["opportunity"])


async def _customer(suite: Suite, serial: str, owner: str, account: str, opportunity: str) -> None:
    """A won deal, its contract in force, two orders and a case."""
    amount = {"currencyCode": "EUR", "units": "4800"}
    await suite.post(f"/v1/{opportunity}:win", {"amount": amount}, actor=owner)
    contract = opportunity.replace("opportunities/", "contracts/")
    await until_known(suite, f"/v1/{contract}")
    await suite.post(f"/v1/{contract}:submit", {}, actor=owner)
    await suite.post(f"/v1/{contract}:approve", {})
    await suite.post(f"/v1/{contract}:activate", {})
    for number in (1, 2):
        order = {
            "account": account,
            "system": "erp",
            "orderNumber": f"{serial}-{number}",
            "lines": [{"product": "chair", "quantity": number, "amount": amount}],
            "amount": amount,
        }
        await suite.post("/v1/orders", order)
    await until_known(suite, f"/v1/{account.replace('accounts/', 'customers/')}")
    await suite.post("/v1/cases", {"displayName": f"A part is missing {serial}", "account": account, "owner": owner})


def systems() -> list[str]:
    """Those that bring leads; they see all of them."""
    return [f"serviceAccounts/web-{number}" for number in range(SYSTEMS)]


def lead(serial: str, channel: str = CHANNELS[0]) -> dict[str, Any]:
    """A lead as a form on a web site brings it."""
    number, again = int(serial), int(serial) // len(PEOPLE)
    return {
        "displayName": PEOPLE[number % len(PEOPLE)],
        "company": f"Café {FAMILIES[(number + 37 * again) % len(FAMILIES)]} {serial}",
        "email": f"ana{serial}@example.com",
        "phone": f"+{serial}",
        "channel": f"channels/{channel}",
        "note": "Asked for a price list for forty chairs and six tables, delivery before summer.",
        "externalIds": [{"system": "web", "kind": "form", "id": serial}],
    }
