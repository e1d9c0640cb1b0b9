"""The database of one service: a pool and compiled statements.

Statements are composed with SQLAlchemy Core, compiled once and run on asyncpg. The pool does not reset connections
when they come back (a round trip each time), so nothing session-scoped may run on it. So a pooler that gives each
transaction another connection (PgBouncer) may stand in between, if it keeps prepared statements.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any

import asyncpg
from sqlalchemy.sql import visitors
from sqlalchemy.sql.expression import BindParameter, ClauseElement

from chassis import pooler
from chassis.columns import TIME as TIME
from chassis.columns import Beside as Beside
from chassis.columns import custom_column as custom_column
from chassis.columns import customer_columns as customer_columns
from chassis.columns import enum_column as enum_column
from chassis.columns import labels_column as labels_column
from chassis.columns import listed as listed
from chassis.columns import record_columns as record_columns
from chassis.errors import DatabaseAway, DatabaseLost, FilterTooBroad, InvalidFields, PoolerBetween
from chassis.records import DIALECT
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

# Of rows with `owner` and `team`: those within a reach, whose parameters `work.sight()` gives.
IN_REACH = "(CAST(:everything AS boolean) OR owner = any(CAST(:me AS text[])) OR team = any(CAST(:teams AS text[])))"


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
        self._given_back = 0
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
        try:
            connection = await self._free_connection()
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
            self._given_back += 1
            assert self._pool is not None
            await self._pool.release(connection)

    async def _free_connection(self) -> Any:
        """Waits while others give theirs back: a pool in use is no server that is away, and deadlines are the callers'.
        TimeoutError after a time in which nobody did. That time is counted in halves: a process that stood still for
        a while itself sees it as over, but once only."""
        assert self._pool is not None
        silent = 0
        while True:
            before = self._given_back
            try:
                return await self._pool.acquire(timeout=ACQUIRE_SECONDS / 2)
            except TimeoutError:
                silent = silent + 1 if self._given_back == before else 0
                if silent == 2:
                    raise

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
