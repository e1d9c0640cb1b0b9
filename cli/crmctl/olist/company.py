"""Who and what must be there before the first lead: the importer, its people, channels and landing pages."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from crmctl.connection import Client, Refused
from crmctl.olist.funnel import Deal, Lead
from crmctl.olist.tally import Tally
from crmctl.olist.values import external_id, slug
from crmctl.problem import Problem
from crmctl.suite import Suite, until_known

IMPORTER = "serviceAccounts/importer"
_ROLE = "importer"
_PARENT, _OPENERS, _CLOSERS = "teams/olist", "teams/sdr", "teams/closers"
# One list of each service that will have to know the importer, or the people it acts for.
_SERVICES = ("/v1/users", "/v1/channels", "/v1/leads", "/v1/accounts", "/v1/contracts", "/v1/cases")
_SERVICES_OF_PEOPLE = ("/v1/leads", "/v1/accounts", "/v1/contracts")


def as_importer(client: Client) -> Client:
    """The client that imports. In a local suite the service account, made if need be; else whoever the token names."""
    if client.stack is None:
        return client
    account = {"displayName": "Importer", "roles": [_ROLE]}
    try:
        client.call("POST", "/v1/serviceAccounts", account, params={"serviceAccountId": _ROLE})
    except Refused as refused:
        if refused.status != 409:
            raise
        known = client.get(f"/v1/{IMPORTER}")
        if _ROLE not in known["roles"]:
            raise Problem(f"{IMPORTER} has not the role {_ROLE}: give it, or import with --url and --token.") from None
    return client.acting_as(IMPORTER)


async def accepted(suite: Suite) -> None:
    """Wait until every service knows the importer. Raises Refused if one does not want to."""
    await asyncio.gather(*(until_known(suite, path, pageSize=1) for path in _SERVICES))


async def people(suite: Suite, deals: list[Deal], tally: Tally, advance: Callable[[int], None]) -> None:
    """The representatives as users in two teams. Olist publishes no names, so theirs are made from their ids."""
    teams = {_PARENT: {"displayName": "Olist"}}
    teams |= {
        _OPENERS: {"displayName": "Sales development", "parent": _PARENT},
        _CLOSERS: {"displayName": "Closers", "parent": _PARENT},
    }
    closers = {deal.sr for deal in deals}
    users = {
        f"users/{slug(key)}": {
            "displayName": f"Sales rep {key[:8]} (anonymised)",
            "team": _CLOSERS if key in closers else _OPENERS,
            "roles": ["salesperson"],
            "externalIds": [external_id("sales-rep", key)],
        }
        for key in sorted(closers | {deal.sdr for deal in deals})
    }
    if not users:
        return
    # A parent is known before its children are made.
    await ensure(suite, "teams", "teamId", {_PARENT: teams.pop(_PARENT)}, tally)
    await ensure(suite, "teams", "teamId", teams, tally)
    if await ensure(suite, "users", "userId", users, tally, advance):
        known = (until_known(suite, path, actor, pageSize=1) for actor in users for path in _SERVICES_OF_PEOPLE)
        await asyncio.gather(*known)


async def channels(suite: Suite, leads: Iterable[Lead], tally: Tally, advance: Callable[[int], None]) -> None:
    """The origins as channels, under the very text the file has."""
    wanted = {lead.channel_name: {"displayName": lead.channel} for lead in leads}
    await ensure(suite, "channels", "channelId", wanted, tally, advance)


async def landing_pages(suite: Suite, leads: Iterable[Lead], tally: Tally, advance: Callable[[int], None]) -> None:
    """The landing pages; their ids are all that is known of them."""
    wanted = {lead.landing_page_name: {"displayName": lead.landing_page} for lead in leads if lead.landing_page}
    await ensure(suite, "landingPages", "landingPageId", wanted, tally, advance)


async def ensure(
    suite: Suite,
    collection: str,
    id_parameter: str,
    wanted: Mapping[str, Mapping[str, Any]],
    tally: Tally,
    advance: Callable[[int], None] = lambda _: None,
) -> int:
    """Create the records of `wanted` (by name) that are not there yet; the number of those created."""
    known = {record["name"] for record in await suite.all(f"/v1/{collection}", collection)}
    missing = [name for name in wanted if name not in known]
    there = len(wanted) - len(missing)
    tally.count(_words(collection), "unchanged", there)
    advance(there)

    async def create(name: str) -> None:
        try:
            chosen: dict[str, Any] = {id_parameter: name.partition("/")[2]}
            await suite.post(f"/v1/{collection}", wanted[name], **chosen)
            tally.count(_words(collection), "created")
        except Refused as refused:
            if refused.status != 409:
                raise
            tally.count(_words(collection), "unchanged")  # Somebody else was faster.
        advance(1)

    await asyncio.gather(*(create(name) for name in missing))
    return len(missing)


def _words(collection: str) -> str:
    """`landingPages` as people write it."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in collection)
