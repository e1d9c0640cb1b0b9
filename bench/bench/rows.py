"""A large company from a small one: the rows that real stories left in every database, copied many times over.

The stories were told through the public API, so each table has what the services write: records, outbox, seals,
requests, inboxes, timeline. A copy is the same story told earlier by other people: each id of it becomes another one
of the same form (the time in a UUIDv7 moves with the times in the row), each serial number the next. That also holds
within payloads, so that every event can be read. What does not depend on the story (people, channels, epochs, sums)
is not copied. Positions in the stream and the seals' numbers are below zero in copies, as if they had gone out before
this stream began: nothing of a copy is published, and `audit verify` would not hold for them.
"""

import io
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg

from bench.stand import Stand

UUID = rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
HEX = rb"(?:3\d|6[1-6])"  # a hexadecimal digit, itself written in hexadecimal: how COPY shows text within bytea
SLOT = re.compile(
    rb"(?P<uuid>%s)|(?P<uuid_hex>%s{8}2d%s{4}2d%s{4}2d%s{4}2d%s{12})"
    rb"|(?P<serial>99000000\d{4}(?!\d))|(?P<serial_hex>3939303030303030(?:3\d){4})"
    rb"|(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?\+00)" % (UUID, HEX, HEX, HEX, HEX, HEX)
)
SERIAL = re.compile(rb"99000000\d{4}(?!\d)")
COUNTERS = {("outbox", "position"), ("audit_seal", "number")}  # kept apart from those of this stream and chain
COUNTERS_STEP = 1_000_000
SPAN = timedelta(hours=20)  # how far back the oldest copy lies: within the day that request ids are kept
ANOTHER, BEFORE = 0x9E3779B97F4B, 1 << 48  # an odd step through all values of an id's first 48 bits
CHUNK = 1 << 20
TABLES = (
    "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
    " AND relnamespace = 'public'::regnamespace ORDER BY relname"
)
COLUMNS = (
    "SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped"
    " AND attgenerated = '' ORDER BY attnum"
)
UNIQUE = (
    "SELECT i.indisprimary AS first, a.attname AS name FROM pg_index i"
    " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = any(i.indkey::int2[])"
    " WHERE i.indrelid = $1::regclass AND i.indisunique"
)


@dataclass(frozen=True)
class Copies:
    """So many, each `step_ms` before the one after it."""

    count: int
    step_ms: int

    @classmethod
    def of(cls, count: int) -> "Copies":
        return cls(count, max(int(SPAN.total_seconds() * 1000) // max(count, 1), 1))


@dataclass(frozen=True)
class Copy:
    """One of them: what stands in it for an id, a serial number and a time of the story."""

    number: int
    copies: Copies

    def uuid(self, original: bytes) -> bytes:
        first = int(original[:8] + original[9:13], 16)
        if original[14:15] == b"7":
            first -= self.number * self.copies.step_ms
        else:  # any other: all that counts is that it is another
            first = (first + self.number * ANOTHER) % BEFORE
        return b"%08x-%04x" % (first >> 16, first & 0xFFFF) + original[13:]

    def serial(self, original: bytes) -> bytes:
        return b"99%010d" % (self.number * 10_000 + int(original[8:]))

    def time(self, original: datetime) -> bytes:
        moved = original - timedelta(milliseconds=self.number * self.copies.step_ms)
        return moved.isoformat(sep=" ").encode()

    def counter(self, original: int) -> bytes:
        return b"%d" % -(self.number * COUNTERS_STEP + original)


Slot = Callable[[Copy], bytes]


@dataclass(frozen=True)
class Pattern:
    """A row with its slots: what `%` makes into the row of a copy."""

    text: bytes
    slots: list[Slot]

    def of(self, copy: Copy) -> bytes:
        return self.text % tuple(slot(copy) for slot in self.slots)


@dataclass(frozen=True)
class Patterns:
    """The rows of one table that the stories left."""

    service: str
    table: str
    columns: list[str]
    rows: list[Pattern]

    def of(self, copies: Iterator[Copy]) -> Iterator[bytes]:
        """The rows of these copies in COPY's text format, in pieces."""
        piece = bytearray()
        for copy in copies:
            for row in self.rows:
                piece += row.of(copy)
            if len(piece) >= CHUNK:
                yield bytes(piece)
                piece.clear()
        if piece:
            yield bytes(piece)


async def ids(stand: Stand) -> set[bytes]:
    """Every id there is, in any database: taken before the stories, it tells theirs from the rest."""
    found: set[bytes] = set()
    for database in stand.databases.values():
        for (table,) in await database.fetch(TABLES):
            for line in await _lines(database, table, await _columns(database, table)):
                found |= _ids_in(line)
    return found


async def patterns(stand: Stand, before: set[bytes]) -> list[Patterns]:
    """The rows that the stories left in each table: those whose key holds an id that was not there before,
    or a serial number."""
    made = []
    for service, database in stand.databases.items():
        for (table,) in await database.fetch(TABLES):
            columns = await _columns(database, table)
            unique = await database.fetch(UNIQUE, table)
            key = {columns.index(row["name"]) for row in unique if row["first"]}
            others = {columns.index(row["name"]) for row in unique} - key
            rows = []
            for line in await _lines(database, table, columns):
                values = line.rstrip(b"\n").split(b"\t")
                if any(_ids_in(values[at]) - before or SERIAL.search(values[at]) for at in key):
                    rows.append(_pattern(table, columns, values, before, others))
            if rows:
                made.append(Patterns(service, table, columns, rows))
    return made


async def fill(stand: Stand, found: list[Patterns], copies: Copies, said: Callable[[str, int], None]) -> int:
    """Copies the rows; calls `said` with a table and how many rows of it were written just now. Returns how many."""
    total = 0
    for one in found:
        number = len(one.rows) * copies.count

        async def pieces(one: Patterns = one) -> AsyncIterator[bytes]:
            # The oldest first, as it happened.
            for piece in one.of(Copy(n, copies) for n in range(copies.count, 0, -1)):
                yield piece
                said(f"{one.service}.{one.table}", piece.count(b"\n"))

        database = stand.databases[one.service]
        await database.copy_to_table(one.table, columns=one.columns, source=pieces(), timeout=3600)
        total += number
    for service in stand.databases:
        await stand.databases[service].execute("VACUUM (ANALYZE)", timeout=3600)
    await stand.execute_as_superuser("CHECKPOINT")
    return total


def _pattern(table: str, columns: list[str], values: list[bytes], before: set[bytes], unique: set[int]) -> Pattern:
    texts, slots = [], []
    for at, value in enumerate(values):
        if (table, columns[at]) in COUNTERS and value != rb"\N":
            texts.append(b"%s")
            slots.append(_counter(int(value)))
            continue
        text, own = _slots(value, before)
        if at in unique and not own:  # a number that people say aloud
            text, own = text + b"-%s", [lambda copy: b"%d" % copy.number]
        texts.append(text)
        slots += own
    return Pattern(b"\t".join(texts) + b"\n", slots)


def _slots(value: bytes, before: set[bytes]) -> tuple[bytes, list[Slot]]:
    texts: list[bytes] = []
    slots: list[Slot] = []
    at = 0
    for match in SLOT.finditer(value):
        slot = _slot(match, before)
        if slot is None:
            continue
        texts += [value[at : match.start()].replace(b"%", b"%%"), b"%s"]
        slots.append(slot)
        at = match.end()
    return b"".join([*texts, value[at:].replace(b"%", b"%%")]), slots


def _slot(match: re.Match[bytes], before: set[bytes]) -> Slot | None:
    kind, text = match.lastgroup, match[0]
    if kind == "time":
        moment = datetime.fromisoformat(text.decode() + ":00").astimezone(UTC)
        return lambda copy: copy.time(moment)
    plain = bytes.fromhex(text.decode()) if str(kind).endswith("_hex") else text
    if kind == "uuid":
        return None if plain in before else lambda copy: copy.uuid(plain)
    if kind == "uuid_hex":
        return None if plain in before else lambda copy: copy.uuid(plain).hex().encode()
    if kind == "serial":
        return lambda copy: copy.serial(plain)
    return lambda copy: copy.serial(plain).hex().encode()


def _counter(value: int) -> Slot:
    return lambda copy: copy.counter(value)


def _ids_in(text: bytes) -> set[bytes]:
    return set(re.findall(UUID, text))


async def _columns(database: asyncpg.Connection, table: str) -> list[str]:
    return [row["attname"] for row in await database.fetch(COLUMNS, table)]


async def _lines(database: asyncpg.Connection, table: str, columns: list[str]) -> list[bytes]:
    """A table's rows in COPY's text format."""
    names = ", ".join(f'"{name}"' for name in columns)
    output = io.BytesIO()
    await database.copy_from_query(f'SELECT {names} FROM "{table}"', output=output)
    return output.getvalue().splitlines(keepends=True)
