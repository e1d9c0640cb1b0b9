"""Trains models in the background, in a process of its own, of which this one keeps account in the database.

A replica that dies in the middle stops renewing its lease; another one, or the same after its restart, begins anew.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Container
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import msgspec
from chassis.custom_values import Definition
from chassis.records import names
from chassis.telemetry import log
from chassis.unattended import unattended
from chassis.work import Context, Work

from leads import score_tables
from leads.domain.lead import Lead
from leads.domain.lead_facts import CUSTOM, first_facts
from leads.domain.scoring_model import ModelState, ScoringModel
from leads.domain.state import State
from leads.scoring.backtest import Closed
from leads.scoring.report import Asked, Report, Said

LOOK_SECONDS = 1.0
LEASE = timedelta(seconds=60)
RENEW_SECONDS = 5.0
MOST_ATTEMPTS = 3
MOST_LEADS = 200_000  # the latest ones: what was longer ago teaches little
PAGE = 500
LONGEST_LINE = 64 * 1024 * 1024
OPERATION = "training"
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
BEGINNING = datetime.fromisoformat("0001-01-02T00:00:00+00:00")
# One thread: those that wait for a core that calls use, wait long. Of our own environment it gets nothing: what it
# learns from comes by its input, and it needs no key to anything.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Ended(Exception):
    """The model is not to be trained any more."""


async def train_models(context: Context) -> None:
    """Trains for as long as the process lives, one model at a time."""
    while True:
        try:
            while model := await unattended(context, OPERATION, _claim):
                await _train(context, model)
        except Exception as failed:
            log.warning("no model is trained for now: %s", failed or type(failed).__name__)
        await asyncio.sleep(LOOK_SECONDS)


async def _claim(work: Work) -> ScoringModel | None:
    rows = await work.context.database.fetch(score_tables.TO_TRAIN, [], work.connection)
    model = await work.find_one(ScoringModel, id=rows[0]["id"]) if rows else None
    if model is None:
        return None
    if model.attempts == MOST_ATTEMPTS:
        work.emit(model.fail(f"its training ended {MOST_ATTEMPTS} times before it was done", work.now))
        return None
    model.attempts, model.progress, model.step = model.attempts + 1, 0.0, "starting"
    model.lease_time = work.now + LEASE
    return model


async def _train(context: Context, model: ScoringModel) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from leads.scoring.trainer import main; main()"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
        env=ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdin
    assert process.stdout
    both = [
        asyncio.create_task(_feed(context, model, process.stdin)),
        asyncio.create_task(_follow(context, model, process.stdout)),
    ]
    try:
        await asyncio.gather(*both)
    except Ended:
        log.info("%s is not trained any more", model.name)
    finally:
        for one in both:
            one.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _feed(context: Context, model: ScoringModel, sink: asyncio.StreamWriter) -> None:
    """All closed leads, the latest first, page by page: calls come between."""
    own = context.custom_fields.of(Lead.collection)
    without = {slug: why for slug, one in own.items() if (why := _why_not_learned(one))}
    not_told = {f"{CUSTOM}{slug}": why for slug, why in without.items()}
    asked = Asked(leave_out=model.leave_out, backtest_share=model.backtest_share, not_told=not_told)
    sink.write(msgspec.json.encode(asked) + b"\n")
    mapper = context.mappers[Lead]
    sql = score_tables.closed(names(mapper.columns), PAGE)
    zone = ZoneInfo(context.company_zone)
    before, left = LAST_ID, MOST_LEADS
    while left > 0:
        rows = await context.database.fetch(sql, [before, model.since or BEGINNING])
        for row in rows:
            lead: Lead = mapper.load(row)  # type: ignore[assignment]
            sink.write(msgspec.json.encode(_closed(lead, zone, without)) + b"\n")
        await sink.drain()
        if len(rows) < PAGE:
            break
        before, left = str(rows[-1]["id"]), left - PAGE
    sink.close()


def _why_not_learned(own: Definition) -> str:
    if own.personal:
        return "is personal: it says who somebody is, not whether they buy"
    return "is archived" if own.archived else ""


def _closed(lead: Lead, zone: tzinfo, without: Container[str]) -> Closed:
    assert lead.contact_time
    assert lead.close_time
    won = int(lead.state is State.CONVERTED)
    return Closed(first_facts(lead, zone, without), won, lead.team, lead.contact_time, lead.close_time)


async def _follow(context: Context, model: ScoringModel, source: asyncio.StreamReader) -> None:
    """Keeps account of what the process says, until it ends."""
    said, told = Said(step="starting"), 0.0
    line = asyncio.ensure_future(source.readline())
    clock = asyncio.get_running_loop()
    try:
        while True:
            await asyncio.wait({line}, timeout=RENEW_SECONDS)
            if line.done():
                if not line.result():
                    raise RuntimeError("the training process ended before it was done")
                said = msgspec.json.decode(line.result(), type=Said)
                if said.report or said.failure:
                    await _account(context, model, _end(said.report, said.failure))
                    return
                line = asyncio.ensure_future(source.readline())
            if clock.time() - told >= 1:
                await _account(context, model, _renew(said))
                told = clock.time()
    finally:
        line.cancel()


Note = Callable[[ScoringModel, Work], Awaitable[None]]


async def _account(context: Context, model: ScoringModel, note: Note) -> None:
    async def do(work: Work) -> None:
        current = await work.get(ScoringModel, model.name)
        if current.state is not ModelState.TRAINING or current.attempts != model.attempts:
            raise Ended()  # retired, or another replica took over
        await note(current, work)

    await unattended(context, OPERATION, do)


def _renew(said: Said) -> Note:
    async def note(model: ScoringModel, work: Work) -> None:
        model.progress, model.step, model.lease_time = said.progress, said.step, work.now + LEASE

    return note


def _end(report: Report | None, failure: str) -> Note:
    async def note(model: ScoringModel, work: Work) -> None:
        if report is None:
            work.emit(model.fail(failure, work.now))
            return
        await work.execute(score_tables.KEEP_ARTEFACT, model.id, report.model)
        work.emit(model.trained(report, work.now))

    return note
