"""Keeps scores: after each change of a lead, and of all leads when what they are scored by changed.

What is to be done stands in the database: a queue that a trigger writes, and a sweep with its cursor. Whoever keeps
scores holds the row of the duty, so that of several replicas one does at a time. No lead is locked or written.
"""

import asyncio
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from chassis.telemetry import log
from chassis.unattended import unattended
from chassis.values import id_of
from chassis.work import Context, Work
from chassis.writing import LostRace

from leads import score_tables
from leads.domain.lead import Lead
from leads.domain.lead_score import LeadScore, Scorer, is_scored
from leads.domain.score_settings import ScoreSettings
from leads.domain.scoring_model import ModelNotTrained, ScoringRoles
from leads.scoring.model import Model

LOOK_SECONDS = 0.5
FAILED_SECONDS = 2.0
AT_ONCE = 200
OPERATION = "scoring"
MOST_KEPT = 3  # models in memory

_models: dict[str, Model] = {}


async def keep_scores(context: Context) -> None:
    """Keeps scores for as long as the process lives."""
    while True:
        wait = LOOK_SECONDS
        try:
            while await keep_once(context):
                pass
        except LostRace:
            pass  # somebody overrode one of these scores meanwhile: they are looked at again
        except Exception as failed:
            log.warning("leads are not scored for now: %s", failed or type(failed).__name__)
            wait = FAILED_SECONDS
        await asyncio.sleep(wait)


async def keep_once(context: Context) -> bool:
    """A batch of the queue and one of the sweep; whether there may be more."""
    rows = await context.database.fetch(score_tables.ANYTHING_TO_DO, [])
    if not rows or not any(rows[0].values()):
        return False
    if rows[0]["expired"]:
        await context.database.fetch(score_tables.QUEUE_EXPIRED, [])
    more = False
    if rows[0]["queued"] or rows[0]["expired"]:
        more = await unattended(context, OPERATION, _of_queue)
    if rows[0]["sweeping"] or rows[0]["sweep_due"]:
        more = await unattended(context, OPERATION, _of_sweep) or more
    return more


async def _of_queue(work: Work) -> bool:
    if not await work.context.database.fetch(score_tables.HOLD_DUTY, [], work.connection):
        return False  # another replica is at it
    taken = await work.context.database.fetch(score_tables.TAKE, [AT_ONCE], work.connection)
    await _score([row["id"] for row in taken], work)
    return len(taken) == AT_ONCE


async def _of_sweep(work: Work) -> bool:
    held = await work.context.database.fetch(score_tables.HOLD_DUTY, [], work.connection)
    if not held:
        return False
    if not held[0]["after"]:  # a day is over
        if (await settings_of(work)).fade:
            await work.execute(score_tables.SWEEP)
        else:
            await work.execute(score_tables.SWEPT, None)
        return True
    await work.context.custom_fields.look()  # it may be a field of theirs that changed
    ids = await work.context.database.fetch(score_tables.NEXT, [held[0]["after"], AT_ONCE], work.connection)
    await _score([row["id"] for row in ids], work)
    await work.execute(score_tables.SWEPT, ids[-1]["id"] if len(ids) == AT_ONCE else None)
    return len(ids) == AT_ONCE


async def _score(ids: Sequence[str], work: Work) -> None:
    """Brings the scores of these leads up to date. A company that has neither rules nor a champion keeps none."""
    wanted = sorted(set(ids))
    work.retry_conflicts = True  # somebody may override the score of a lead that has none yet
    known = {score.id: score for score in await work.find(LeadScore, id=wanted)} if wanted else {}
    scorer = await scorer_of(work)
    if not known and not scorer.scores:
        return
    for lead in await work.find(Lead, id=wanted):
        score = known.get(lead.id)
        if score is None:
            if not scorer.scores or not is_scored(lead):
                continue
            score = work.add(LeadScore.of(lead))
        if event := score.follow(lead, scorer, work.now):
            work.emit(event)
        await asyncio.sleep(0)  # calls come between


async def scorer_of(work: Work) -> Scorer:
    """By what leads are scored now."""
    roles = await work.find_one(ScoringRoles, id=ScoringRoles.ID) or ScoringRoles()
    champion, challenger = [await artefact(name, work) if name else None for name in (roles.champion, roles.challenger)]
    zone = ZoneInfo(work.context.company_zone)
    settings = (await settings_of(work)).in_use(work.context.custom_fields.of(Lead.collection))
    return Scorer(settings, zone, roles.champion, champion, roles.challenger, challenger)


async def artefact(name: str, work: Work) -> Model:
    """What a trained model learned; ModelNotTrained if it did not. Never changes, and so is read once."""
    if name not in _models:
        rows = await work.context.database.fetch(score_tables.ARTEFACT, [id_of(name)], work.connection)
        if not rows:
            raise ModelNotTrained(scoring_model=name)
        read = await asyncio.to_thread(Model.from_json, rows[0]["model"])
        while len(_models) >= MOST_KEPT:
            del _models[next(iter(_models))]
        _models[name] = read
    return _models[name]


async def settings_of(work: Work) -> ScoreSettings:
    """As configured, else the defaults."""
    return await work.find_one(ScoreSettings, id=ScoreSettings.ID) or ScoreSettings()


async def scores_of(leads: Sequence[Lead], work: Work) -> dict[str, float]:
    """Lead's id → its score at this moment, however far the background is; none where nothing scores."""
    rows = await work.rows(score_tables.OVERRIDDEN, leads=[lead.id for lead in leads], now=work.now)
    overridden = {str(row["id"]): row["override_score"] for row in rows}
    scorer = await scorer_of(work)

    def known() -> dict[str, float]:
        found = {lead.id: overridden.get(lead.id, scorer.score(lead, work.now)) for lead in leads}
        return {key: score for key, score in found.items() if score is not None}

    return await asyncio.to_thread(known)  # thousands take a second
