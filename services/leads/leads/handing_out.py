"""Hands out leads in the background: new ones that nobody has, and runs that somebody started.

What is to be done stands in the database (the queue of leads that nobody has, kept by a trigger, and the runs), so that
nothing is lost with a process. Whoever hands out holds the row of the duty: of several replicas one does at a time, and
capacities hold however many leads are made at once. A batch is one transaction.
"""

import asyncio
from typing import Any

from chassis.records import names
from chassis.telemetry import log
from chassis.unattended import forgetting, unattended
from chassis.work import Context, Work

from chassis import filtering
from leads import assigning, tables
from leads.domain.assignment.policy import AssignmentDuty, AssignmentPolicy, NoActivePolicy
from leads.domain.assignment.run import AssignmentRun, Kind, RunState
from leads.domain.lead import Lead
from leads.domain.state import LIVE, State

LOOK_SECONDS = 0.2
FAILED_SECONDS = 2.0
AT_ONCE = 500
OPERATION = "assignment"

ANYTHING_TO_DO = (
    "SELECT d.policy <> '' AND EXISTS (SELECT FROM assignment_queue WHERE due_time <= now()) AS waiting,"
    " EXISTS (SELECT FROM assignment_runs WHERE state = 'RUNNING') AS running"
    f" FROM assignment_duties d WHERE id = '{AssignmentDuty.ID}'"
)
HOLD_DUTY = f"SELECT policy FROM assignment_duties WHERE id = '{AssignmentDuty.ID}' FOR UPDATE SKIP LOCKED"
# Locked from here on: whoever changes one of them meanwhile waits, and then looks again.
WAITING = (
    "SELECT l.id::text AS id FROM assignment_queue q JOIN leads l ON l.id = q.lead_id WHERE q.due_time <= now()"
    f" ORDER BY q.due_time, q.lead_id LIMIT {AT_ONCE} FOR UPDATE OF l SKIP LOCKED"
)
# Ten minutes are the longest wait: a day's new capacity, or somebody's first hour, is not missed by much.
TRY_LATER = (
    "UPDATE assignment_queue SET attempts = attempts + 1, due_time = now()"
    " + make_interval(secs => least(30 * 2 ^ least(attempts, 10), 600)) WHERE lead_id = any($1::uuid[])"
)
RUNNING = "SELECT id::text AS id FROM assignment_runs WHERE state = 'RUNNING' ORDER BY id LIMIT 1"


async def hand_out(context: Context) -> None:
    """Hands out for as long as the process lives."""
    while True:
        wait = LOOK_SECONDS
        try:
            while await hand_out_once(context):
                pass
        except Exception as failed:
            log.warning("leads are not handed out for now: %s", failed or type(failed).__name__)
            wait = FAILED_SECONDS
        await asyncio.sleep(wait)


prune = forgetting("decisions", assigning.PRUNE)


async def hand_out_once(context: Context) -> bool:
    """A batch of the queue and one of the oldest run; whether there may be more at once."""
    rows = await context.database.fetch(ANYTHING_TO_DO, [])
    if not rows or not (rows[0]["waiting"] or rows[0]["running"]):
        return False
    more = False
    if rows[0]["waiting"]:
        more = await unattended(context, OPERATION, _from_queue)
    if rows[0]["running"]:
        more = await unattended(context, OPERATION, _of_run) or more
    return more


async def _from_queue(work: Work) -> bool:
    held = await work.context.database.fetch(HOLD_DUTY, [], work.connection)
    if not held or not held[0]["policy"]:
        return False  # another replica is at it, or nothing is active any more
    policy = await work.get(AssignmentPolicy, held[0]["policy"])
    rows = await work.context.database.fetch(WAITING, [], work.connection)
    leads = [lead for lead in await _load([row["id"] for row in rows], work) if lead.waits]
    decisions = await assigning.assign(policy, leads, work) if leads else []
    waiting = [lead.id for lead, decision in zip(leads, decisions, strict=True) if not decision.owner]
    if waiting:
        await work.execute(TRY_LATER, waiting)
    return len(rows) == AT_ONCE


async def _of_run(work: Work) -> bool:
    """The next leads of the oldest run."""
    held = await work.context.database.fetch(HOLD_DUTY, [], work.connection)
    rows = await work.context.database.fetch(RUNNING, [], work.connection) if held else []
    run = await work.find_one(AssignmentRun, id=rows[0]["id"]) if rows else None
    if run is None or run.state is not RunState.RUNNING:
        return False
    leads = await _load(await next_leads(run, work, AT_ONCE, lock=True), work)
    if run.to_person:
        owners = await _to_one(run, leads, work)
    else:
        policy = await work.get(AssignmentPolicy, run.policy)
        decisions = await assigning.assign(policy, leads, work, [run.from_person]) if leads else []
        owners = [one.owner for one in decisions]
    if run.state is not RunState.RUNNING:
        return True  # there may be another one
    run.cursor = leads[-1].id if leads else run.cursor
    if ended := run.count(owners, work.now):
        work.emit(ended)
    return True


async def _to_one(run: AssignmentRun, leads: list[Lead], work: Work) -> list[str]:
    member = await work.members.named(run.to_person)
    if member is None or not member.active:
        if ended := run.cancel(f"{run.to_person} is not active any more", work.now):
            work.emit(ended)
        return []
    for lead in leads:
        work.emit(lead.assign(member.name, member.team, work.now))
    return [member.name] * len(leads)


async def _load(ids: list[str], work: Work) -> list[Lead]:
    """Leads in the order of their ids."""
    return await work.find(Lead, id=ids) if ids else []


# ---- what a run is about


async def start(run: AssignmentRun, work: Work) -> AssignmentRun:
    """A run with its total; InvalidFields if its filter cannot be read, NoActivePolicy without a policy."""
    if not run.to_person:
        if not run.policy:
            duty = await work.find_one(AssignmentDuty, id=AssignmentDuty.ID)
            run.policy = duty.policy if duty else ""
        if not run.policy:
            raise NoActivePolicy()
        await work.get(AssignmentPolicy, run.policy)
    sight = work.sight()
    run.everything, run.me, run.teams = sight["everything"], list(sight["me"]), list(sight["teams"])
    sql, arguments = _about(run, "count(*) AS number", work)
    run.total = (await work.context.database.fetch(sql, arguments, work.connection, 2.0))[0]["number"]
    return run


async def next_leads(run: AssignmentRun, work: Work, limit: int, *, lock: bool = False) -> list[str]:
    """The ids of the run's next leads."""
    sql, arguments = _about(run, "id::text AS id", work, run.cursor)
    sql = f"{sql} ORDER BY id LIMIT {limit}" + (" FOR UPDATE" if lock else "")
    return [row["id"] for row in await work.context.database.fetch(sql, arguments, work.connection)]


async def leads_ahead(run: AssignmentRun, work: Work, limit: int) -> list[Lead]:
    """The run's next leads, to be looked at only."""
    mapper = work.context.mappers[Lead]
    sql, arguments = _about(run, names(mapper.columns), work, run.cursor)
    rows = await work.context.database.fetch(f"{sql} ORDER BY id LIMIT {limit}", arguments, work.connection)
    return [mapper.load(row) for row in rows]  # type: ignore[misc]


def _about(run: AssignmentRun, columns: str, work: Work, after: str = "") -> tuple[str, list[Any]]:
    """SQL and its parameters: the run's leads, those behind the id `after`."""
    arguments: list[Any] = []

    def bind(value: Any, cast: str) -> str:
        arguments.append(value)
        return f"${len(arguments)}::{cast}"

    own = work.context.custom_fields.of(Lead.collection)
    states = [State.NEW] if run.kind is Kind.ASSIGN else sorted(LIVE, key=lambda state: state.value)
    conditions = [
        f"owner = {bind(run.from_person, 'text')}",
        f"state = any({bind([state.name for state in states], 'text[]')})",
        "archive_time IS NULL",
        *(filtering.to_sql(filtering.parse(run.filter), tables.leads, bind, own=own) if run.filter else []),
    ]
    if not run.everything:
        me, teams = bind(run.me, "text[]"), bind(run.teams, "text[]")
        conditions.append(f"(owner = any({me}) OR team = any({teams}))")
    if after:
        conditions.append(f"id > {bind(after, 'uuid')}")
    return f"SELECT {columns} FROM leads WHERE {' AND '.join(conditions)}", arguments
