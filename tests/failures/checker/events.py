"""Every event of every outbox: on its stream at its number, and taken in once by everyone who listens for it."""

from failures.checker.evidence import Findings, Opened
from nats.js.api import ConsumerInfo
from nats.js.errors import NotFoundError

OUTBOX = "SELECT id::text AS id, type, subject, version, position FROM outbox ORDER BY id"


async def check_events(opened: Opened, findings: Findings) -> None:
    for producer in opened.databases:
        rows = await opened.rows(producer, OUTBOX)
        findings.events += len(rows)
        stream = await _stream(opened, f"crm-{producer}")
        for row in rows:
            what = f"{producer}: {row['type']} {row['id']} about {row['subject']}"
            if row["position"] is None:
                findings.unapplied.append(f"{what} was never published")
            elif stream.get(row["position"]) != row["id"]:
                findings.unapplied.append(f"{what} is not on the stream at its number {row['position']}")
        _numbered(producer, rows, findings)
        for consumer in await opened.jetstream.consumers_info(f"crm-{producer}"):
            await _taken_in(producer, consumer, rows, opened, findings)
    if not opened.named:
        await _caused(opened, findings)
    await _at_rest(opened, findings)


async def _caused(opened: Opened, findings: Findings) -> None:
    """Nobody took in an event that nobody told. (After one service alone was restored, somebody has.)"""
    told = {row["id"] for producer in opened.databases for row in await opened.rows(producer, OUTBOX)}
    for consumer in opened.databases:
        for row in await opened.rows(consumer, "SELECT event_id::text AS id FROM inbox"):
            if row["id"] not in told:
                findings.orphans.append(f"{consumer} took in event {row['id']}, which no outbox has")


async def _stream(opened: Opened, name: str) -> dict[int, str]:
    """The ids of a stream's messages by their numbers."""
    state = (await opened.jetstream.stream_info(name)).state
    found = {}
    for number in range(state.first_seq, state.last_seq + 1) if state.messages else ():
        try:
            found[number] = (await opened.jetstream.get_msg(name, number)).headers["ce-id"]
        except NotFoundError:
            continue
    return found


def _numbered(producer: str, rows: list, findings: Findings) -> None:
    """A record's versions are 1, 2, 3 …: a missing one is a change without an event, two of a kind a lost update."""
    versions: dict[str, set[int]] = {}
    for row in rows:
        versions.setdefault(row["subject"], set()).add(row["version"])
    for subject, found in versions.items():
        missing = set(range(1, max(found) + 1)) - found
        if missing:
            findings.lost.append(f"{producer}: no event tells of version {sorted(missing)} of {subject}")


async def _taken_in(producer: str, durable: ConsumerInfo, rows: list, opened: Opened, findings: Findings) -> None:
    consumer = durable.name
    if consumer not in opened.databases:
        return
    subjects = durable.config.filter_subjects or [durable.config.filter_subject or ">"]
    everything = any(subject.endswith(">") for subject in subjects)
    inbox = {row["id"] for row in await opened.rows(consumer, "SELECT event_id::text AS id FROM inbox")}
    for row in rows:
        if everything or row["type"] in subjects:
            findings.effects += 1
            if row["id"] not in inbox:
                said = f"{consumer} never took in {row['type']} {row['id']} about {row['subject']}"
                findings.unapplied.append(f"{said} ({producer}, number {row['position']})")


async def _at_rest(opened: Opened, findings: Findings) -> None:
    for service in opened.databases:
        for row in await opened.rows(service, "SELECT * FROM saga WHERE due_time IS NOT NULL"):
            said = f"{row['kind']} of {row['subject']} at step {row['step']}: {row['error'][:200]}"
            findings.unfinished.append(f"{service}: a saga is not finished, {said}")
        for row in await opened.rows(service, "SELECT * FROM dead_letter WHERE settle_time IS NULL"):
            findings.unapplied.append(f"{service}: dead letter {row['type']} {row['event_id']}: {row['error'][:200]}")
