"""Looks for leads that were recorded twice: of one when asked, and of each that comes in, once it is there.

What comes in is compared behind the write, by its own event, so that nobody waits for it.
"""

from dataclasses import replace

from chassis.values import id_of
from chassis.work import Work

from leads import duplicate_tables
from leads.domain.duplicate import Candidate, Duplicate, duplicates, match_keys
from leads.domain.duplicate_candidate import CandidateState, DuplicateCandidate, DuplicateFound
from leads.domain.lead import Lead
from leads.domain.match_settings import MatchSettings
from leads.domain.state import LIVE

MOST_KEPT = 20  # pairs a lead; whatever has more is a mistake of another kind
EVERYTHING = {"everything": True, "me": [], "teams": []}


async def settings_of(work: Work) -> MatchSettings:
    """As configured, else the usual rules."""
    return await work.find_one(MatchSettings, id=MatchSettings.ID) or MatchSettings()


async def alike(lead: Lead, work: Work) -> list[Duplicate]:
    """Which leads within the caller's reach may be the same; those that somebody said are not say so."""
    found = await _compared(lead, match_keys(lead), await settings_of(work), work, **work.sight())
    if not found:
        return []
    leads = {lead.id: lead for lead in await work.find(Lead, id=[one.lead.id for one in found])}
    pairs = {one.lead.id: DuplicateCandidate.of(lead.name, one.lead.name, one.score).id for one in found}
    kept = await work.find(DuplicateCandidate, id=sorted(pairs.values()))
    dismissed = {one.id for one in kept if one.state is CandidateState.DISMISSED}
    return [replace(one, lead=leads[one.lead.id], dismissed=pairs[one.lead.id] in dismissed) for one in found]


async def keep_pairs(name: str, work: Work) -> None:
    """Keeps what a lead that came in, or changed, may be the same as. A company in common alone is too little to look
    for among all that come in."""
    lead = await work.find_one(Lead, id=id_of(name))
    if lead is None or lead.state not in LIVE or lead.archive_time:
        return
    keys = [key for key in match_keys(lead) if not key.startswith("c:")]
    if not keys:
        return
    found = (await _compared(lead, keys, await settings_of(work), work, **EVERYTHING))[:MOST_KEPT]
    pairs = [DuplicateCandidate.of(lead.name, one.lead.name, one.score) for one in found]
    known = {one.id for one in await work.find(DuplicateCandidate, id=[one.id for one in pairs])} if pairs else set()
    for pair in pairs:
        if pair.id not in known:
            work.emit(DuplicateFound(duplicate_candidate=work.add(pair), event_time=work.now))


async def open_pairs(size: int, work: Work) -> list[tuple[str, Lead, Duplicate]]:
    """Pairs to decide about: each with its name, the lead that was recorded first, and the one that may be the same."""
    rules = (await settings_of(work)).rules
    rows = await work.rows(duplicate_tables.OPEN_PAIRS, size=size, **work.sight())
    kept = await work.find(DuplicateCandidate, id=[row["id"] for row in rows]) if rows else []
    ids = sorted({id_of(name) for one in kept for name in (one.lead, one.other)})
    leads = {lead.name: lead for lead in await work.find(Lead, id=ids)} if ids else {}
    found = []
    for one in kept:
        first, later = leads[one.other], leads[one.lead]
        found += [(one.name, first, duplicate) for duplicate in duplicates(first, [later], rules)]
    return sorted(found, key=lambda pair: (-pair[2].score, pair[0]))


async def _compared(
    lead: Lead, keys: list[str], settings: MatchSettings, work: Work, **sight: object
) -> list[Duplicate]:
    asked = {"keys": keys, "email": lead.email, "digits": lead.phone_digits}
    rows = await work.rows(duplicate_tables.SHARING_A_KEY, **asked, **sight)
    return duplicates(lead, (Candidate(**row) for row in rows if row["id"] != lead.id), settings.rules)
