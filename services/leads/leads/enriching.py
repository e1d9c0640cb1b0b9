"""Asks outside sources about leads' companies: when somebody wants it, and by itself about new leads.

No create waits for it: a new lead gets a row by its event, and a chore asks. Answers are kept for a while, so that
ten leads of one company are one question.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import msgspec
from chassis.errors import DatabaseAway
from chassis.telemetry import log
from chassis.unattended import forgetting, unattended
from chassis.values import utc_now
from chassis.work import Context, Work
from chassis.writing import LostRace

from leads import enrichment_tables
from leads.domain.delivery import MOST_TRIES
from leads.domain.enrichment import (
    EnrichedField,
    EnrichmentProposal,
    EnrichmentState,
    LeadEnriched,
    LeadEnrichment,
    apply,
)
from leads.domain.lead import Lead, LeadUpdated
from leads.domain.state import OPEN
from leads.outgoing.outside import OutsideAway, OutsideRefused
from leads.outgoing.sources import Source, sources
from leads.spelling import tidy

LOOK_SECONDS = 2.0
ASK_SECONDS = 4.0  # all are asked at the same time, and a call has ten
RACES = 5


@dataclass(frozen=True)
class Heard:
    """What the sources said: in their order; whom we could not hear; whether asking again is of no use."""

    found: list[EnrichedField]
    errors: dict[str, str]
    for_good: bool = True


async def hear(lead: Lead, asked: Sequence[Source], context: Context) -> Heard:
    """Asks all at the same time, or looks at what they said lately."""
    answers = await asyncio.gather(*(_one(source, lead, context) for source in asked))
    found = [one for answer in answers if isinstance(answer, list) for one in answer]
    wrong = {
        source.source: answer for source, answer in zip(asked, answers, strict=True) if isinstance(answer, Exception)
    }
    errors = {name: str(error) for name, error in wrong.items()}
    return Heard(found, errors, all(isinstance(error, OutsideRefused) for error in wrong.values()))


async def _one(source: Source, lead: Lead, context: Context) -> list[EnrichedField] | OutsideAway | OutsideRefused:
    url = source.address_for(lead)
    if not url:
        return []
    rows = await context.database.fetch(enrichment_tables.ANSWER, [source.key(url)])
    if rows:
        values, at = msgspec.json.decode(rows[0]["found"], type=dict[str, str]), rows[0]["fetch_time"]
    else:
        try:
            values, at = await source.values(url, ASK_SECONDS), utc_now()
        except (OutsideAway, OutsideRefused) as wrong:
            return wrong
        kept = [source.key(url), msgspec.json.encode(values).decode(), at, source.ttl_hours]
        await context.database.fetch(enrichment_tables.PUT_ANSWER, kept)
    return [
        EnrichedField(field=name, value=value, source=source.source, fetch_time=at)
        for name, value in values.items()
        if name in source.fields
    ]


def take(lead: Lead, enrichment: LeadEnrichment, heard: Heard, work: Work) -> list[EnrichmentProposal]:
    """Fills in what may be filled in, and tells of it."""
    proposals = enrichment.propose(lead, heard.found)
    changed = apply(lead, proposals)
    if changed:
        tidy(work)(lead)
        work.emit(LeadUpdated(lead=lead, fields=changed, event_time=work.now))
    return proposals


async def plan(name: str, work: Work) -> None:
    """A new lead is to be enriched, if a source wants to be asked about new ones."""
    if not any(one.on_create for one in sources()):
        return
    lead = await work.find_one(Lead, id=name.removeprefix("leads/"))
    if lead is not None and await work.find_one(LeadEnrichment, id=lead.id) is None:
        enrichment = LeadEnrichment.of(lead)
        enrichment.due_time = work.now
        work.add(enrichment)


async def enrich_new(context: Context) -> None:
    """Asks for as long as the process lives, if any source is set up."""
    while sources():
        try:
            while await enrich_next(context):
                pass
        except Exception as away:
            log.warning("leads to be enriched wait: %s", type(away).__name__)
        await asyncio.sleep(LOOK_SECONDS)


async def enrich_next(context: Context) -> bool:
    """Turns to the one that waits longest; whether there was one. Whoever dies here is followed by another one."""
    query = enrichment_tables.DUE_ENRICHMENTS
    rows = await context.database.fetch(query.sql, query.arguments({"now": utc_now()}))
    if not rows:
        return False
    try:
        claimed = await unattended(context, "enrichment due", partial(_claim, str(rows[0]["id"])))
    except LostRace:
        return True  # somebody else is at it
    if claimed is None:
        return True
    lead, tries = claimed
    try:
        heard = await hear(lead, sources(), context)
    except DatabaseAway:
        raise
    except Exception as wrong:  # a fault of ours: seen, and asked again
        log.error("a lead could not be enriched: %s", type(wrong).__name__)
        heard = Heard([], {"crm": type(wrong).__name__}, for_good=False)
    for _ in range(RACES):
        try:
            await unattended(context, "lead enriched", partial(_note, lead.id, heard, tries))
            break
        except LostRace:
            continue
    return True


async def _claim(lead_id: str, work: Work) -> tuple[Lead, int] | None:
    enrichment, lead = await work.find_one(LeadEnrichment, id=lead_id), await work.find_one(Lead, id=lead_id)
    if enrichment is None or enrichment.due_time is None or enrichment.due_time > work.now:
        return None
    if lead is None or lead.state not in OPEN or lead.archive_time:
        enrichment.state, enrichment.due_time = EnrichmentState.DONE, None
        return None
    if enrichment.tries >= MOST_TRIES:  # whoever was at it never came to an end
        enrichment.failed({"crm": "GAVE_UP"}, work.now, enrichment.tries, for_good=True)
        return None
    enrichment.claim(work.now)
    return lead, enrichment.tries


async def _note(lead_id: str, heard: Heard, tries: int, work: Work) -> None:
    enrichment, lead = await work.find_one(LeadEnrichment, id=lead_id), await work.find_one(Lead, id=lead_id)
    if enrichment is not None and lead is not None:
        work.emit(settle(enrichment, take(lead, enrichment, heard, work), heard, tries, work.now))


def settle(
    enrichment: LeadEnrichment, proposals: Sequence[EnrichmentProposal], heard: Heard, tries: int, at: datetime
) -> LeadEnriched:
    """Remembers what was filled in; whom we could not hear is asked again later."""
    told = enrichment.note(proposals, at)
    if heard.errors:
        enrichment.failed(heard.errors, at, tries, for_good=heard.for_good)
    return told


CHORES = (enrich_new, forgetting("answers of sources", enrichment_tables.PRUNE))
