"""Runs searches for prospects: a page of the source at a time, asked while no transaction is open.

What is found is looked up among what is known here, with one query for all of a page, and within the reach of whoever
began the run. Nothing is kept of a person to whom nobody may write.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from chassis.errors import CrmError, FailedPrecondition, Unavailable
from chassis.operations import Task
from chassis.personal_data import PrivacyKeyMissing
from chassis.persons import MarkKind, Person, address, keyed_hash, names_of
from chassis.unattended import forgetting
from chassis.values import is_uuid
from chassis.work import Work

from chassis import reach
from leads import call_tables, prospect_tables
from leads.domain.account_key import account_key
from leads.domain.duplicate import Candidate, match_keys
from leads.domain.operation import LeadOperation
from leads.domain.prospect import PERSONAL, Prospect, ProspectMatch, key_of, read
from leads.domain.prospect_match import compared, matched
from leads.domain.prospect_search import Place, ProspectSearch
from leads.outgoing.outside import OutsideAway, OutsideRefused
from leads.outgoing.prospect_sources import Answer, ProspectSource, prospect_sources
from leads.phones import digits, e164

PERMISSION = "leads.import"
MOST_PAGES = 1000  # in one run: a source that never ends is left
HASH_DIGITS = 40  # of a keyed hash, as marketing names suppressions


class NoSuchSource(FailedPrecondition):
    """The source is not set up (any more); see the setting PROSPECT_SOURCES."""


class SourceAway(Unavailable):
    """The source does not answer."""


class SourceRefused(FailedPrecondition):
    """The source refuses, or answers something else than it was set up for."""


def source_of(search: ProspectSearch, work: Work) -> ProspectSource:
    """NoSuchSource; PrivacyKeyMissing, if it tells of people who could not be recognised."""
    source = prospect_sources().get(search.source)
    if source is None:
        raise NoSuchSource(source=search.source)
    if not work.context.privacy_key and set(PERSONAL) & set(source.fields):
        raise PrivacyKeyMissing(service=work.context.service)
    return source


async def room_in(search: ProspectSearch, work: Work) -> int:
    """How many more prospects it may hold."""
    rows = await work.rows(prospect_tables.COUNT, search=search.name)
    return max(0, search.most_prospects - int(rows[0]["number"]))


def _place(operation: LeadOperation, search: ProspectSearch) -> Place:
    """The page that is next. A run begins where its search says."""
    return Place(**operation.cursor) if operation.cursor else search.next_page


async def _ask(operation: LeadOperation, work: Work) -> Answer | OutsideAway | OutsideRefused:
    search = await work.get(ProspectSearch, operation.request["search"])
    search.require_in_use()
    source = source_of(search, work)
    try:
        return await source.page(search.criteria, _place(operation, search))
    except (OutsideAway, OutsideRefused) as wrong:
        return wrong


async def _part(operation: LeadOperation, work: Work, answer: Answer | OutsideAway | OutsideRefused) -> bool:
    search = await work.get(ProspectSearch, operation.request["search"])
    search.require_in_use()
    if isinstance(answer, OutsideAway):
        raise SourceAway(source=search.source, error=answer)
    if isinstance(answer, OutsideRefused):
        raise SourceRefused(source=search.source, error=answer)
    work.retry_conflicts = True
    place, room = _place(operation, search), await room_in(search, work)
    new = await _new_ones(answer.items, place.page, search, operation, work)
    found, too_many = new[:room], len(new) > room
    await withhold(found, work)
    for prospect, match in zip(found, await known_here(found, work), strict=True):
        prospect.match = match
        work.add(prospect)
    if found:
        work.emit(search.found(len(found), work.now))
    following = place if too_many else answer.next
    operation.total_items = max(answer.total, operation.done_items)
    operation.cursor = asdict(following) if following else {}
    search.turn_to(following)
    return following is not None and len(found) < room and place.page < MOST_PAGES


RUN = Task("find prospects", PERMISSION, _part, _ask)


async def _new_ones(
    items: Sequence[Any], page: int, search: ProspectSearch, operation: LeadOperation, work: Work
) -> list[Prospect]:
    """Those items that are looked for, fit and not known; what is wrong with another one is told of the operation."""
    source = source_of(search, work)
    until = work.now + timedelta(days=source.keep_days)
    found: dict[str, Prospect] = {}
    for number, item in enumerate(items, 1):
        try:
            said, unfit = read(item, source.fields)
            prospect = Prospect(
                prospect_search=search.name,
                source=source.source,
                key=key_of(said, source.source),
                owner=search.owner,
                team=search.team,
                fetch_time=work.now,
                expire_time=until,
                currency=source.currency if said.get("revenue") else "",
                unfit_fields=unfit,
                **said,
            )
            search.criteria.require(prospect.country, prospect.employees, prospect.revenue)
            found.setdefault(prospect.key, prospect)
            operation.count(1)
        except CrmError as refused:
            operation.fail(f"page {page}, item {number}", refused)
    asked = {"keys": list(found), "search": search.name, **work.sight()}
    known = {row["key"] for row in await work.rows(prospect_tables.KNOWN, **asked)} if found else set()
    return [prospect for key, prospect in found.items() if key not in known]


async def withhold(prospects: Sequence[Prospect], work: Work) -> None:
    """Leaves out people whose addresses are suppressed, also because they were erased, and numbers not to be called."""
    names = {one.id: _suppression(_hash(one.email, work)) for one in prospects if one.email}
    numbers = {one.id: _digits(one, work) for one in prospects if one.phone}
    rows = await work.rows(prospect_tables.SUPPRESSED, suppressions=list(names.values())) if names else []
    suppressed = {row["suppression"] for row in rows}
    asked = sorted(set(numbers.values()))
    rows = await work.rows(call_tables.REFUSED_NUMBERS, digits=asked) if asked else []
    refused = {row["phone_digits"] for row in rows}
    for one in prospects:
        one.withhold(person=names.get(one.id) in suppressed, phone=numbers.get(one.id) in refused)


def _hash(email: str, work: Work) -> bytes:
    return keyed_hash(work.context.privacy_key, MarkKind.EMAIL, address(email))


def _suppression(digest: bytes) -> str:
    return f"suppressions/{digest.hex()[:HASH_DIGITS]}"


def _e164(one: Prospect, work: Work) -> str:
    return e164(one.phone, one.country or work.context.company_country)


def _digits(one: Prospect, work: Work) -> str:
    return digits(_e164(one, work) or one.phone)


async def known_here(prospects: Sequence[Prospect], work: Work) -> list[ProspectMatch | None]:
    """For each what is known here of its company: leads and accounts within the caller's reach."""
    mine = [compared(one, _e164(one, work), _digits(one, work)) for one in prospects]
    asked = [(at, key) for at, one in enumerate(mine) for key in match_keys(one)]
    given = {"ats": [at for at, _ in asked], "keys": [key for _, key in asked]}
    rows = await work.rows(prospect_tables.SHARING_A_KEY, **given, **work.sight()) if asked else []
    leads: defaultdict[int, list[Candidate]] = defaultdict(list)
    for row in rows:
        said = {name: row[name] for name in ("id", "company", "email", "phone_e164", "phone_digits")}
        leads[row["at"]].append(Candidate(display_name="", **said))
    accounts = await _accounts(prospects, work)
    return [
        matched(one, compare, leads[at], accounts.get(account_key(one.company), ""))
        for at, (one, compare) in enumerate(zip(prospects, mine, strict=True))
    ]


async def _accounts(prospects: Sequence[Prospect], work: Work) -> dict[str, str]:
    """Key of a company's name → the account of that name that the caller may read."""
    keys = sorted({account_key(one.company) for one in prospects} - {""})
    rows = await work.rows(prospect_tables.ACCOUNTS, keys=keys) if keys else []
    owners = await work.members.people([], {row["owner"] for row in rows}) if rows else []
    teams = {owner.name: owner.team for owner in owners}
    found: dict[str, str] = {}
    for row in rows:
        if reach.readable_of(work.caller, "accounts", row["owner"], teams.get(row["owner"], "")):
            found.setdefault(row["key"], row["account"])
    return found


async def forget(person: Person, work: Work) -> int:
    """Who was erased is not found again, by whatever source tells of them; how many rows."""
    ids = [one for one in names_of(person.records, "prospects") if is_uuid(one)]
    names = [_suppression(mark.digest) for mark in person.marks if mark.kind is MarkKind.EMAIL]
    fetch = work.context.database.fetch
    dismissed = await fetch(prospect_tables.DISMISS_ERASED, [ids], work.connection)
    return len(dismissed) + len(await fetch(prospect_tables.SUPPRESS_ERASED, [names], work.connection))


prune = forgetting("prospects", prospect_tables.PRUNE)
