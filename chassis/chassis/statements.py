"""The SQL that writes: one record, its external ids, its events and the request id in one statement.

The statement is its own transaction and one round trip. Everything hangs on `change`: the events and the request row
are inserted by SELECT … FROM change, without ON CONFLICT. So a duplicate request id raises and undoes all, and a
stale version changes nothing at all.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import Table

from chassis import spine
from chassis.records import Mapper, names, placeholders, sql_type
from chassis.values import id_of, is_uuid

OUTBOX = [column.name for column in spine.outbox.columns if column.name not in ("position", "salt", "erasure")]
REQUEST = [column.name for column in spine.request.columns]
EXTERNAL_ID = [column.name for column in spine.external_id.columns]


def casts(table: Table, columns: list[str]) -> list[str]:
    return [sql_type(table.columns[name]) for name in columns]


@cache
def insert_record(mapper: Mapper) -> str:
    values = placeholders(list(mapper.casts.values()), 1)
    # Quoted, since a field may be called like a word of SQL: `order`.
    return f"INSERT INTO {mapper.table.name} ({names(mapper.columns)}) VALUES ({values}) RETURNING 1"


@cache
def update_record(mapper: Mapper) -> str:
    """Parameters: the row, then the version it is expected to have."""
    pairs = zip(mapper.columns, mapper.casts.values(), strict=True)
    sets = ", ".join(
        f'"{name}" = ${number}::{cast}'
        for number, (name, cast) in enumerate(pairs, 1)
        if name not in ("id", "create_time")
    )
    position = {name: number for number, name in enumerate(mapper.columns, 1)}
    key = f"id = ${position['id']}::{mapper.casts['id']}"
    # create_time is bound though never changed, so that both statements take the same row.
    same = f"(${position['create_time']}::timestamptz IS NOT NULL)"
    expected = f"version = ${len(mapper.columns) + 1}::bigint"
    return f"UPDATE {mapper.table.name} SET {sets} WHERE {key} AND {expected} AND {same} RETURNING 1"


def insert_into(table: Table, columns: list[str]) -> str:
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({placeholders(casts(table, columns), 1)})"


INSERT_EVENT = insert_into(spine.outbox, OUTBOX)
INSERT_REQUEST = insert_into(spine.request, REQUEST)
INSERT_EXTERNAL_ID = insert_into(spine.external_id, EXTERNAL_ID)
DELETE_EXTERNAL_ID = (
    "DELETE FROM external_id WHERE collection = $1::text AND system = $2::text AND kind = $3::text"
    " AND key = $4::text AND record_id = $5::text"
)

INSERT_SAGA = (
    "INSERT INTO saga (id, kind, subject, journey_id, actor, traceparent, data, step, attempts, error, due_time,"
    " create_time) VALUES ($1::uuid, $2::text, $3::text, $4::uuid, $5::text, $6::text, $7::jsonb, 0, 0, '',"
    " now() + interval '5 seconds', now())"
)
SET_TIMER = (
    "INSERT INTO timer (kind, key, due_time, next_time, data, traceparent, attempts, error, create_time)"
    " VALUES ($1::text, $2::text, $3::timestamptz, $3::timestamptz, $4::jsonb, $5::text, 0, '', now())"
    " ON CONFLICT (kind, key) DO UPDATE SET due_time = excluded.due_time, next_time = excluded.next_time,"
    " data = excluded.data, traceparent = excluded.traceparent, attempts = 0, error = ''"
)
CANCEL_TIMER = "DELETE FROM timer WHERE kind = $1::text AND key = $2::text"


@cache
def flush(mapper: Mapper, *, new: bool, events: int, external_ids: int, request: bool) -> str:
    """The one statement. Parameters: the row (and the expected version), then each event's row, each external id's,
    the request's. Answers how many records changed: 1, or 0 for a stale version."""
    parts = [f"WITH change AS ({insert_record(mapper) if new else update_record(mapper)})"]
    first = len(mapper.columns) + (1 if new else 2)

    def hang_on(name: str, table: Table, columns: list[str]) -> None:
        nonlocal first
        values = placeholders(casts(table, columns), first)
        parts.append(f"{name} AS (INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values} FROM change)")
        first += len(columns)

    for number in range(events):
        hang_on(f"event{number}", spine.outbox, OUTBOX)
    for number in range(external_ids):
        hang_on(f"external{number}", spine.external_id, EXTERNAL_ID)
    if request:
        hang_on("request_row", spine.request, REQUEST)
    return ", ".join(parts) + " SELECT count(*) FROM change"


def page(mapper: Mapper, conditions: list[str], after: str, owner: str, teams: str, limit: str) -> str:
    """A page, newest first. `after`, `owner`, `teams`, `limit` are placeholders, empty where they do not apply.

    Own records are found by owner; a team's by a LATERAL per team with its own top-N, since one sort over
    `team = any(...)` reads every record of all teams.
    """
    table = mapper.table.name
    before = [f"id < {after}"] if after else []

    def select(*more: str) -> str:
        where = " AND ".join([*conditions, *before, *more]) or "true"
        return f"SELECT {names(mapper.columns)} FROM {table} WHERE {where} ORDER BY id DESC LIMIT {limit}"

    if not owner:
        return select()
    if not teams:
        return select(f"owner = {owner}")
    each = f"SELECT page.* FROM unnest({teams}) AS mine(team) CROSS JOIN LATERAL ({select('team = mine.team')}) page"
    both = f"({select(f'owner = {owner}')}) UNION ALL ({each})"
    return f"SELECT DISTINCT ON (id) * FROM ({both}) page ORDER BY id DESC LIMIT {limit}"


def of_customer(mapper: Mapper, account: str, bind: Callable[[Any, str], str]) -> list[str]:
    """The conditions that leave what people of this account may see."""
    if mapper.customers_see is None or not is_uuid(id_of(account)):
        return ["false"]
    if mapper.kind.collection == "accounts":
        conditions = [f"id = {bind(id_of(account), mapper.casts['id'])}"]
    else:
        conditions = [f"account = {bind(account, 'text')}"]
    return conditions + [f"{name} = {bind(value, 'text')}" for name, value in mapper.customers_see.items()]


def row_of(columns: list[str], values: dict[str, Any]) -> list[Any]:
    return [values[name] for name in columns]
