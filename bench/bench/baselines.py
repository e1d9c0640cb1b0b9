"""What the same work costs the database alone: scripts for pgbench with the tables, columns and indexes of the
services, on the same server; and for the import, COPY."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from bench.rows import ANOTHER, BEFORE, Copies, Copy, Patterns
from bench.stand import Stand

PAGE = 50
SCRIPTS = 8  # at most, of one baseline: each asks for other records
DRAWN = (("leads", "leads"), ("insights", "customers"))  # of which a baseline draws records
COPIED = 1000  # rows of one COPY
NUMBER = "\\set n random(1000000000, 9999999999)\n"


@dataclass(frozen=True)
class Ground:
    """What the baselines stand on: the rows that were filled in, and how; of `DRAWN` tables the ids in the stories."""

    copies: Copies
    patterns: list[Patterns]
    stories: dict[tuple[str, str], list[str]]

    def of(self, service: str, table: str) -> Patterns:
        return next(one for one in self.patterns if (one.service, one.table) == (service, table))


@dataclass(frozen=True)
class Script:
    """pgbench scripts of which it picks one at random for each transaction."""

    service: str
    texts: list[str]


@dataclass(frozen=True)
class Loading:
    """Work that pgbench cannot do: `run(seconds)` answers how many units it did, and in how many seconds."""

    service: str
    run: Callable[[float], Awaitable[tuple[int, float]]]
    at_once: tuple[int, ...] = field(default=(1,))


Baseline = Script | Loading


async def none(stand: Stand, ground: Ground) -> None:
    """There is no such thing: it is the work of several services."""


async def create(stand: Stand, ground: Ground) -> Script:
    """Four round trips: begin, the lead, its event, commit."""
    varied = {"id": "uuidv7()", "journey_id": "uuidv7()", "external_ids": "'[]'"}
    varied |= {"email": "'ana' || :n::bigint || '@example.com'", "phone_digits": ":n::bigint::text"}
    lead = await _insert(stand, "leads", "create_time IS NOT NULL", **varied)
    return Script("leads", [f"{NUMBER}BEGIN;\n{lead}\n{await _event(stand)}\nEND;\n"])


async def update(stand: Stand, ground: Ground) -> Script:
    """Four round trips: begin, the lead at a version, its event, commit."""
    lead = "UPDATE leads SET note = 'Called again.', version = version + 1, update_time = now()"
    lead += " WHERE id = {id} AND version > 0;"
    return _drawn(ground, "leads", "leads", f"{NUMBER}BEGIN;\n{lead}\n{await _event(stand)}\nEND;\n")


async def get(stand: Stand, ground: Ground) -> Script:
    columns = await _columns(stand, "leads", "leads")
    return _drawn(ground, "leads", "leads", f"SELECT {columns} FROM leads WHERE id = {{id}};\n")


async def own_leads(stand: Stand, ground: Ground) -> Script:
    return await _list(stand, "leads", "leads", ["owner"])


async def filtered(stand: Stand, ground: Ground) -> Script:
    return await _list(stand, "leads", "leads", ["owner", "state", "channel"])


async def board(stand: Stand, ground: Ground) -> Script:
    return await _list(stand, "sales", "opportunities", ["owner", "pipeline", "stage", "state"], "state = 'OPEN'")


async def customer(stand: Stand, ground: Ground) -> Script:
    """The least a page about a customer reads: its row, its records, its entries by account."""
    row, record = await _columns(stand, "insights", "customers"), await _columns(stand, "insights", "records")
    return _drawn(
        ground, "insights", "customers",
        f"SELECT {row} FROM customers WHERE id = {{id}};\n"
        f"SELECT {record} FROM records WHERE account = 'accounts/' || {{id}}::text;\n"
        "SELECT type, min(event_time), max(event_time) FROM timeline"
        " WHERE account = 'accounts/' || {id}::text GROUP BY type;\n",
    )  # fmt: skip


async def timeline(stand: Stand, ground: Ground) -> Script:
    columns = await _columns(stand, "insights", "timeline")
    return _drawn(
        ground, "insights", "customers",
        f"SELECT {columns} FROM timeline WHERE account = 'accounts/' || {{id}}::text"
        f" AND account <> '' ORDER BY event_time, event_id LIMIT {PAGE + 1};\n",
    )  # fmt: skip


async def copy(stand: Stand, ground: Ground) -> Loading:
    """The lead rows and their outbox rows as COPY loads them, a thousand leads a transaction."""
    database = stand.databases["leads"]
    leads, events = ground.of("leads", "leads"), ground.of("leads", "outbox")
    created = [row for row in events.rows if b"crm.leads.v1.LeadCreated" in row.text]
    first = Patterns("leads", "outbox", events.columns, created)
    each = len(leads.rows)
    number = ground.copies.count

    async def run(seconds: float) -> tuple[int, float]:
        nonlocal number
        begin, took, done = time.monotonic(), 0.0, 0
        while time.monotonic() - begin < seconds:
            some = [Copy(number + 1 + n, ground.copies) for n in range(max(COPIED // each, 1))]
            number += len(some)
            pieces = [(one, b"".join(one.of(iter(some)))) for one in (leads, first)]
            since = time.monotonic()
            async with database.transaction():
                for one, text in pieces:
                    await database.copy_to_table(one.table, columns=one.columns, source=_source(text))
            took += time.monotonic() - since
            done += each * len(some)
        return done, took

    return Loading("leads", run)


async def _source(text: bytes) -> Any:
    yield text


async def _list(stand: Stand, service: str, table: str, by: list[str], where: str = "owner <> ''") -> Script:
    """A page of what is equal in the columns `by`, newest first."""
    columns = await _columns(stand, service, table)
    known = await stand.databases[service].fetch(
        f"SELECT DISTINCT {', '.join(by)} FROM {table} WHERE {where} LIMIT {SCRIPTS}"
    )
    return Script(
        service,
        [
            f"SELECT {columns} FROM {table} WHERE {' AND '.join(f'{name} = {_quoted(row[name])}' for name in by)}"
            f" AND archive_time IS NULL ORDER BY id DESC LIMIT {PAGE + 1};\n"
            for row in known
        ],
    )


async def story_ids(stand: Stand) -> dict[tuple[str, str], list[str]]:
    """To be asked before the stories are copied."""
    found = {}
    for service, table in DRAWN:
        sql = f"SELECT id::text AS id FROM {table} WHERE owner LIKE 'users/%' ORDER BY id LIMIT {SCRIPTS}"
        found[service, table] = [row["id"] for row in await stand.databases[service].fetch(sql)]
    return found


def ids(ground: Ground, service: str, table: str) -> list[tuple[str, str]]:
    """Of some stories: the line that draws one of its copies, and the expression of that copy's id, which is reckoned
    as `rows.Copy.uuid` does it, so that no list of ids has to be kept or read."""
    made = []
    for known in ground.stories[service, table]:
        first, rest = int(known[:8] + known[9:13], 16), known[13:].replace("-", "")
        drawn = f"random(0, {ground.copies.count})"
        line = f"\\set at ({first} + {drawn} * {ANOTHER}) % {BEFORE}\n"
        if known[14] == "7":
            line = f"\\set at {first} - {drawn} * {ground.copies.step_ms}\n"
        made.append((line, f"(lpad(to_hex(:at::bigint), 12, '0') || '{rest}')::uuid"))
    return made


def _drawn(ground: Ground, service: str, table: str, text: str) -> Script:
    """The text once for each of some stories, with the id of one of its copies, drawn anew each time, for `{id}`."""
    return Script(service, [line + text.replace("{id}", known) for line, known in ids(ground, service, table)])


async def _columns(stand: Stand, service: str, table: str) -> str:
    rows = await stand.databases[service].fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
        " ORDER BY attnum",
        table,
    )
    return ", ".join(f'"{row["attname"]}"' for row in rows)


async def _event(stand: Stand) -> str:
    """The event of a new lead. It has a position, below every real one, for otherwise the relay would publish it."""
    return await _insert(stand, "outbox", "type = 'crm.leads.v1.LeadCreated'", id="uuidv7()", position="-:n::bigint")


async def _insert(stand: Stand, table: str, where: str, **instead: str) -> str:
    """An INSERT with the values of a row that is there, except for those given as SQL."""
    columns = await stand.databases["leads"].fetch(
        "SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute"
        " WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        table,
    )
    texts = ", ".join(f'"{column["name"]}"::text' for column in columns)
    [row] = await stand.databases["leads"].fetch(f"SELECT {texts} FROM {table} WHERE {where} LIMIT 1")
    values = [instead.get(column["name"]) or f"{_quoted(row[column['name']])}::{column['type']}" for column in columns]
    names = ", ".join(f'"{column["name"]}"' for column in columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(values)});"


def _quoted(value: Any) -> str:
    """An SQL literal that pgbench leaves alone: it would take a colon with a word behind it for a variable."""
    if value is None:
        return "NULL"
    text = str(value).replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a")
    return f"E'{text}'"
