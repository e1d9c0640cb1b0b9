"""The database of one service: a pool, compiled statements, and the tables every service has.

Statements are composed with SQLAlchemy Core, compiled once and run on asyncpg. The pool does not reset connections
when they come back (a round trip each time), so nothing session-scoped may run on it. So a pooler that gives each
transaction another connection (PgBouncer) may stand in between, if it keeps prepared statements.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any

import asyncpg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID
from sqlalchemy.sql import visitors
from sqlalchemy.sql.expression import BindParameter, ClauseElement

from chassis import pooler
from chassis.columns import TIME as TIME
from chassis.columns import customer_columns as customer_columns
from chassis.columns import enum_column as enum_column
from chassis.columns import listed as listed
from chassis.columns import record_columns as record_columns
from chassis.errors import DatabaseAway, DatabaseLost, FilterTooBroad, InvalidFields, PoolerBetween
from chassis.records import DIALECT, names
from chassis.telemetry import client_span

LOST: tuple[type[BaseException], ...] = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
)
LOST += (asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.TooManyConnectionsError)
# The server said why it ends the connection, and its end is still on the way: neither closed nor of any use.
LOST += (asyncpg.InternalClientError,)
LOST_OR_LATE: tuple[type[BaseException], ...] = (*LOST, TimeoutError)
ACQUIRE_SECONDS = 0.8  # a caller is told within a second that the database is away
QUERY_SECONDS = 2.0  # a list that takes longer needs a better filter

SPINE = MetaData()
ERASED = ("records", "events", "messages", "entries", "files", "rows")  # what is counted of an erasure

outbox = Table(
    "outbox",
    SPINE,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("journey_id", UUID(as_uuid=False)),
    Column("actor", Text, nullable=False),
    Column("event_time", TIME, nullable=False),
    Column("record_time", TIME, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("causation_id", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("elapsed_us", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("position", BigInteger),  # the stream's sequence number; null until published
    # From where the call came, as the edge saw it; empty for what the suite does by itself.
    Column("source", Text, nullable=False, server_default=""),
    # Makes the sealed digest of a payload unguessable once payload and salt are gone; null after an erasure.
    Column("salt", UUID(as_uuid=False), server_default=text("gen_random_uuid()")),
    Column("erasure", UUID(as_uuid=False)),  # the erasure that redacted the payload
    postgresql_partition_by="RANGE (id)",  # UUIDv7 begins with the time: a range of ids is a month
)
Index("outbox_unpublished", outbox.c.id, postgresql_where=outbox.c.position.is_(None))
Index("outbox_position", outbox.c.position)

relay_mark = Table(
    "relay_mark",
    SPINE,
    Column("stream", Text, primary_key=True),
    Column("created", Text, nullable=False),  # tells one stream of this name from the next
    Column("last_position", BigInteger, nullable=False),
)
epoch = Table("epoch", SPINE, Column("id", UUID(as_uuid=False), primary_key=True))
audit_entry = Table(  # what is no event: a refusal, an export, a discarded dead letter, an erasure
    "audit_entry",
    SPINE,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("record_time", TIME, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("salt", UUID(as_uuid=False), server_default=text("gen_random_uuid()")),
    Column("erasure", UUID(as_uuid=False)),
)
audit_seal = Table(  # the chain: one link per event or audit entry, added by the relay, never changed
    "audit_seal",
    SPINE,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("id", UUID(as_uuid=False), nullable=False),
    Column("kind", Text, nullable=False),  # `event` or `entry`: in which table the row is
    Column("subject", Text(collation="C"), nullable=False),
    Column("actor", Text(collation="C"), nullable=False),
    Column("metadata_digest", LargeBinary, nullable=False),
    Column("content_digest", LargeBinary, nullable=False),  # salted
    Column("seal", LargeBinary, nullable=False),
    Column("seal_time", TIME, nullable=False),
    UniqueConstraint("id"),
)
Index("audit_seal_subject", audit_seal.c.subject, audit_seal.c.number)
Index("audit_seal_actor", audit_seal.c.actor, audit_seal.c.number)
erasure = Table(  # what each erasure changed here so far; the totals of its receipt
    "erasure",
    SPINE,
    Column("id", UUID(as_uuid=False), primary_key=True),
    *(Column(counted, Integer, nullable=False, server_default="0") for counted in ERASED),
    Column("begin_time", TIME, nullable=False),
)
stream_removal = Table(  # messages that hold what was erased; the relay removes them once NATS is there
    "stream_removal",
    SPINE,
    Column("event_id", UUID(as_uuid=False), primary_key=True),
    Column("position", BigInteger, primary_key=True),  # 0: look for copies that no row of the outbox knows
    Column("erasure", UUID(as_uuid=False), nullable=False),
)
inbox_mark = Table(  # how far each producer's stream was applied here
    "inbox_mark",
    SPINE,
    Column("producer", Text, primary_key=True),
    Column("epoch", UUID(as_uuid=False), nullable=False),  # of this database; another one: it was restored since
    Column("position", BigInteger, nullable=False),
)
inbox = Table(
    "inbox",
    SPINE,
    Column("event_id", UUID(as_uuid=False), primary_key=True),
    Column("receive_time", TIME, nullable=False),
)
heard = Table(  # the event types of which this database has taken in everything up to its mark, and goes on doing so
    "heard",
    SPINE,
    Column("producer", Text, primary_key=True),
    Column("type", Text, primary_key=True),
)
inbox_latest = Table(
    "inbox_latest",
    SPINE,
    Column("reaction", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("epoch", UUID(as_uuid=False), nullable=False),
    Column("version", BigInteger, nullable=False),
)
dead_letter = Table(
    "dead_letter",
    SPINE,
    Column("event_id", UUID(as_uuid=False), primary_key=True),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("error", Text, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("deliveries", Integer, nullable=False),
    Column("create_time", TIME, nullable=False),
    Column("settle_time", TIME),
    Column("discard_reason", Text, nullable=False, server_default=""),
)
Index("dead_letter_open", dead_letter.c.create_time, postgresql_where=dead_letter.c.settle_time.is_(None))
request = Table(
    "request",
    SPINE,
    Column("caller", Text, primary_key=True),
    Column("method", Text, primary_key=True),
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("answer", LargeBinary),  # null: read `subject` again (the answer of a saga changes)
    Column("subject", Text, nullable=False),
    Column("create_time", TIME, nullable=False),
)
Index("request_create_time", request.c.create_time)
external_id = Table(
    "external_id",
    SPINE,
    Column("collection", Text(collation="C"), primary_key=True),
    Column("system", Text(collation="C"), primary_key=True),
    Column("kind", Text(collation="C"), primary_key=True),
    Column("key", Text(collation="C"), primary_key=True),
    Column("record_id", Text(collation="C"), nullable=False),
)
saga = Table(
    "saga",
    SPINE,
    Column("id", UUID(as_uuid=False), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("journey_id", UUID(as_uuid=False)),
    Column("actor", Text, nullable=False),
    Column("traceparent", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("step", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("due_time", TIME),  # null: finished
    Column("create_time", TIME, nullable=False),
)
Index("saga_due", saga.c.due_time, postgresql_where=saga.c.due_time.isnot(None))
member = Table(
    "member",
    SPINE,
    Column("name", Text(collation="C"), primary_key=True),
    Column("subject", Text(collation="C"), nullable=False),
    Column("display_name", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("roles", JSONB, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("account", Text(collation="C"), nullable=False, server_default=""),
    UniqueConstraint("subject"),
)
Index("member_team", member.c.team)
team = Table(
    "team",
    SPINE,
    Column("name", Text(collation="C"), primary_key=True),
    Column("display_name", Text, nullable=False),
    Column("parent", Text, nullable=False),
)


# Of rows with `owner` and `team`: those within a reach, whose parameters `work.sight()` gives.
IN_REACH = "(CAST(:everything AS boolean) OR owner = any(CAST(:me AS text[])) OR team = any(CAST(:teams AS text[])))"
OUTBOX, DEAD_LETTER, SAGA, AUDIT_ENTRY = (
    names(table.columns.keys()) for table in (outbox, dead_letter, saga, audit_entry)
)


class Query:
    """A Core statement compiled once. Parameters are given by name."""

    def __init__(self, statement: ClauseElement) -> None:
        given = [item.key for item in visitors.iterate(statement) if isinstance(item, BindParameter) and item.required]
        compiled: Any = statement.compile(dialect=DIALECT)
        state = compiled.construct_expanded_state(dict.fromkeys(given))
        self.sql = state.statement
        self._order = list(state.positiontup or ())
        self._fixed = dict(state.parameters)

    def arguments(self, parameters: dict[str, Any]) -> list[Any]:
        return [parameters.get(name, self._fixed.get(name)) for name in self._order]


def _ended(connection: asyncpg.Connection) -> bool:
    """Whether a connection of the pool is closed; one that the pool took back by itself is."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


class Database:
    """The pool. Losing the server is told as DatabaseAway within a second."""

    def __init__(self, url: str, size: int, direct_url: str = "") -> None:
        """`direct_url` leads past a pooler that `url` leads through."""
        self._url, self._size, self._direct_url = url, size, direct_url or url
        self._pool: asyncpg.Pool | None = None
        self.epoch = ""

    async def open(self) -> None:
        """Opens the pool. Raises PoolerForgets, and what says that the server is away."""

        async def keep(connection: asyncpg.Connection) -> None:
            """In place of the round trip that resets a connection on release."""

        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=2,
            max_size=self._size,
            reset=keep,
            command_timeout=30,
            timeout=ACQUIRE_SECONDS,
            max_cacheable_statement_size=0,  # no limit: what is not cached is unnamed, and no pooler keeps that
        )
        try:
            async with self._pool.acquire() as connection:
                await pooler.check(connection)
                with suppress(asyncpg.UndefinedTableError):  # no migration ran yet; readiness says so
                    self.epoch = str(await connection.fetchval("SELECT id FROM epoch ORDER BY id DESC LIMIT 1"))
        except BaseException:
            await self.close()  # whoever waits opens another pool
            raise

    async def close(self) -> None:
        if self._pool:
            try:
                await asyncio.wait_for(self._pool.close(), 3)
            except TimeoutError:
                self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool. A server that is away is told, not waited for."""
        assert self._pool is not None
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
        except LOST_OR_LATE as lost:
            raise DatabaseAway() from lost
        try:
            yield connection
        except TimeoutError:
            raise  # an OSError too, but it is the statement that took too long
        except LOST as lost:
            # A caller may fail with an OSError, or misuse a sound connection: that is no reason to wait for a server.
            if isinstance(lost, asyncpg.PostgresError | asyncpg.InternalClientError) or _ended(connection):
                raise DatabaseLost() from lost
            raise
        finally:
            await self._pool.release(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """BEGIN … COMMIT; rolls back on any error."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def session(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection outside of the pool, for long work that needs session state such as temporary tables. Its
        times are in UTC; it is closed at the end, whatever happened. PoolerBetween if a pooler would share it."""
        try:
            connection = await asyncpg.connect(
                self._direct_url, timeout=ACQUIRE_SECONDS, server_settings={"timezone": "UTC"}
            )
        except LOST_OR_LATE as lost:
            raise DatabaseAway() from lost
        try:
            if await pooler.between(connection):
                raise PoolerBetween()
            yield connection
        except TimeoutError:
            raise  # an OSError too, but it is the statement that took too long
        except LOST as lost:
            raise DatabaseLost() from lost
        finally:
            connection.terminate()

    async def answers(self) -> bool:
        """Whether the server answers at all; one that stands still does not."""
        try:
            return bool(await asyncio.wait_for(self.fetch("SELECT 1", []), ACQUIRE_SECONDS))
        except (TimeoutError, DatabaseAway):
            return False

    async def fetch(
        self,
        sql: str,
        arguments: Sequence[Any],
        on: asyncpg.Connection | None = None,
        limit_seconds: float | None = None,
    ) -> list[asyncpg.Record]:
        """Runs one statement, on the given connection or on one of the pool. Within somebody's transaction it gets no
        span of its own: a reaction is one span, or tracing would cost more than the reaction."""
        with client_span("postgresql", sql) if on is None else nullcontext():
            try:
                if on is not None:
                    return await on.fetch(sql, *arguments, timeout=limit_seconds)
                async with self.connection() as connection:
                    return await connection.fetch(sql, *arguments, timeout=limit_seconds)
            except asyncpg.CharacterNotInRepertoireError as unfit:
                raise InvalidFields(("", "a text holds a character that cannot be stored, such as NUL")) from unfit
            except TimeoutError as late:
                if limit_seconds is None:
                    raise
                raise FilterTooBroad() from late
