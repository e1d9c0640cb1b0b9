"""Where words still stand: every column of every table, every message of every stream, every file. Shares no code with
what erases them."""

import asyncio
import json
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import nats
from crmctl.local import LocalStack
from nats.js.errors import NotFoundError


@dataclass
class Searched:
    """How much was looked at, and where something was found."""

    tables: int = 0
    columns: int = 0
    rows: int = 0
    messages: int = 0
    files: int = 0
    bytes: int = 0
    found: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.tables} tables, {self.columns} columns, {self.rows} rows, {self.messages} messages,"
            f" {self.files} files with {self.bytes:,} bytes; found {len(self.found)}"
        )


def spellings(word: str) -> set[bytes]:
    """A word as it may stand in bytes: UTF-8 and UTF-16, hexadecimal, escaped as JSON and as in a URL."""
    raw = word.encode()
    escaped = json.dumps(word)[1:-1]
    spelled = {raw, word.encode("utf-16-le"), raw.hex().encode(), escaped.encode(), escaped.upper().encode()}
    return spelled | {urllib.parse.quote(word).encode(), urllib.parse.quote_plus(word).encode()}


class Needles:
    """The words, in every spelling, whatever their case in ASCII."""

    def __init__(self, words: list[str]) -> None:
        self._spelled = {one.lower(): word for word in words for one in spellings(word)}

    def within(self, content: bytes) -> set[str]:
        lowered = content.lower()  # of ASCII letters only; others are searched as they were written
        return {word for one, word in self._spelled.items() if one in lowered or one in content}


async def in_databases(stack: LocalStack, services: tuple[str, ...], needles: Needles, searched: Searched) -> None:
    for service in services:
        connection = await asyncpg.connect(stack.database_url(service))
        try:
            tables = await connection.fetch(
                "SELECT c.oid::regclass::text AS name, (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid"
                " AND a.attnum > 0 AND NOT a.attisdropped) AS columns FROM pg_class c"
                " WHERE c.relkind = 'r' AND c.relnamespace NOT IN ('information_schema'::regnamespace,"
                " 'pg_catalog'::regnamespace, 'pg_toast'::regnamespace)"
            )
            for table in tables:
                searched.tables += 1
                searched.columns += table["columns"]
                # bytea is written as hexadecimal, which is one of the spellings; jsonb and text as they are
                for row in await connection.fetch(f"SELECT t::text AS said FROM {table['name']} t"):
                    searched.rows += 1
                    for word in needles.within(row["said"].replace('""', '"').encode()):
                        searched.found.append(f"{service}.{table['name']}: {word}")
        finally:
            await connection.close()


async def in_streams(stack: LocalStack, services: tuple[str, ...], needles: Needles, searched: Searched) -> None:
    client = await nats.connect(stack.nats_url)
    try:
        jetstream = client.jetstream()
        for service in services:
            state = (await jetstream.stream_info(f"crm-{service}")).state
            for number in range(state.first_seq, state.last_seq + 1) if state.messages else ():
                try:
                    message = await jetstream.get_msg(f"crm-{service}", number)
                except NotFoundError:
                    continue
                searched.messages += 1
                content = (message.data or b"") + json.dumps(message.headers or {}, ensure_ascii=False).encode()
                for word in needles.within(content):
                    searched.found.append(f"stream {service} {number} {message.subject}: {word}")
    finally:
        await client.close()


def in_files(folder: Path, needles: Needles, searched: Searched, *, passing_over: tuple[str, ...] = ()) -> None:
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if not path.is_file() or name.startswith(passing_over):
            continue
        content = path.read_bytes()
        searched.files += 1
        searched.bytes += len(content)
        for word in needles.within(content):
            searched.found.append(f"file {name}: {word}")


def everywhere(stack: LocalStack, services: tuple[str, ...], words: list[str]) -> Searched:
    """Everything but what Postgres has on disk, of which rows are only a view."""
    needles, searched = Needles(words), Searched()

    async def look() -> None:
        await in_databases(stack, services, needles, searched)
        await in_streams(stack, services, needles, searched)

    asyncio.run(look())
    in_files(stack.data_dir, needles, searched, passing_over=("postgres",))
    return searched
