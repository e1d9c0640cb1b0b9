"""One file of leads on its way into a suite: read as it goes, so that memory does not grow with the file."""

import asyncio
import csv
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.spreadsheet import guarded
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from crmctl.connection import Client, Refused
from crmctl.lead_files.columns import LINE, REASON, Columns, Key, WrongCell, own_fields
from crmctl.lead_files.mappings import read_by
from crmctl.lead_files.presets import Owners, Preset
from crmctl.lead_files.rows import Row
from crmctl.lead_files.source import Source, opened
from crmctl.suite import Suite

BATCH = 500
TOLD_EVERY_SECONDS = 10.0
MALFORMED = 400
KEPT = ("CREATED", "UPDATED", "UNCHANGED", "DUPLICATE")


@dataclass
class Outcome:
    """What became of the rows, and how many were refused."""

    counts: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    @property
    def rows(self) -> int:
        return sum(self.counts.values()) + self.refused


class Refusals:
    """The refused rows with line and reason, in a file that can be corrected and imported as it is."""

    def __init__(self, path: Path, header: list[str]) -> None:
        self._path, self._header = path, [name for name in header if name not in (LINE, REASON)]
        self._writer: Any = None
        self._file: Any = None
        path.unlink(missing_ok=True)  # of an earlier run

    def add(self, row: Row, reason: str) -> None:
        if self._writer is None:
            self._file = self._path.open("w", encoding="utf-8-sig", newline="")
            names = [*self._header, LINE, REASON]
            self._writer = csv.DictWriter(self._file, names, extrasaction="ignore", restval="")
            self._writer.writeheader()
        self._writer.writerow(row.cells | {LINE: row.line, REASON: guarded(reason)})

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Progressing:
    """Rows a second and the time left: a bar on a terminal, else a line now and then."""

    def __init__(self, console: Console, source: Source) -> None:
        self._console, self._source = console, source
        parts = (TextColumn("{task.fields[rows]:,} rows"), BarColumn(), TextColumn("{task.fields[speed]:,.0f} rows/s"))
        left = (TextColumn("left"), TimeRemainingColumn())
        self._bar = Progress(*parts, *left, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=source.size, rows=0, speed=0.0)
        self._began = self._told = time.monotonic()

    def __enter__(self) -> "Progressing":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def done(self, rows: int) -> None:
        now = time.monotonic()
        speed = rows / max(now - self._began, 0.001)
        self._bar.update(self._task, completed=self._source.done, rows=rows, speed=speed)
        if not self._console.is_terminal and now - self._told > TOLD_EVERY_SECONDS:
            self._told = now
            left = (now - self._began) * (self._source.size / max(self._source.done, 1) - 1)
            self._console.print(f"{rows:,} rows, {speed:,.0f} rows/s, about {left:,.0f} s left")


@dataclass(frozen=True)
class Asked:
    """How a file is to be imported. `preset` is the product it comes from, or `mapping` what the suite keeps about its
    columns; a trial stores nothing."""

    mapped: Mapping[str, str]
    key: Key
    errors: Path
    import_id: str
    preset: Preset | None = None
    trial: bool = False
    mapping: str = ""


async def import_leads(client: Client, path: Path, asked: Asked, console: Console) -> Outcome:
    """Imports the file. Raises Problem or Refused if the file as a whole or the suite is at fault, not a row."""
    source = opened(path)
    try:
        async with Suite(client) as suite:
            kept = await read_by(suite, asked.mapping, source.header, console) if asked.mapping else ""
            read = await _reader(source, asked, suite, console)
            refusals = Refusals(asked.errors, source.header)
            try:
                with Progressing(console, source) as progress:
                    return await _Run(suite, read, asked, kept, refusals, progress).all(source)
            finally:
                refusals.close()
    finally:
        source.close()


async def _reader(
    source: Source, asked: Asked, suite: Suite, console: Console
) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    """What makes a lead of a row's cells, or, by a mapping, a row for the suite to make one of."""
    if asked.mapping:
        return lambda cells: {"cells": {name: cell for name, cell in cells.items() if name not in (LINE, REASON)}}
    defined: dict[str, str] = {}
    if own_fields(source.header, asked.mapped):
        fields = await suite.all("/v1/customFields", "customFields", filter="resource = LEAD", showArchived="true")
        defined = {field["slug"]: field["type"] for field in fields}
    if asked.preset is None:
        return Columns(source.header, asked.mapped, asked.key, defined).lead
    owners = Owners(await suite.all("/v1/users", "users"))
    rewriting = asked.preset.read(source.header, asked.mapped, owners)
    if rewriting.passed_over:
        console.print(f"passed over: {', '.join(rewriting.passed_over)} (--map 'COLUMN=FIELD' takes one along)")
    columns = Columns(rewriting.header, asked.mapped, Key(asked.preset.system, rewriting.key), defined)
    return lambda cells: columns.lead(rewriting.row(cells))


class _Run:
    def __init__(
        self,
        suite: Suite,
        read: Callable[[Mapping[str, str]], dict[str, Any]],
        asked: Asked,
        mapping: str,
        refusals: Refusals,
        progress: Progressing,
    ) -> None:
        self._suite, self._read, self._refusals, self._progress = suite, read, refusals, progress
        self._more: dict[str, Any] = {"importId": asked.import_id, "validateOnly": asked.trial}
        self._path, self._rows = "/v1/leads:import", "leads"
        if mapping:
            self._path, self._rows = "/v1/leads:importRows", "rows"
            self._more["mapping"] = mapping
        self._outcome = Outcome()

    async def all(self, source: Source) -> Outcome:
        """One batch after another, since of two rows with one key the later is to win; the next is read meanwhile."""
        sending: asyncio.Task[None] | None = None
        for batch in self._batches(source):
            if sending:
                await sending
            sending = asyncio.create_task(self._send(batch))
            await asyncio.sleep(0)  # on its way before the next is read
        if sending:
            await sending
        return self._outcome

    def _batches(self, source: Source) -> Iterator[list[tuple[Row, dict[str, Any]]]]:
        batch: list[tuple[Row, dict[str, Any]]] = []
        for found in source.rows():
            if isinstance(found, tuple):
                self._refuse(*found)
                continue
            try:
                batch.append((found, self._read(found.cells)))
            except WrongCell as wrong:
                self._refuse(found, str(wrong))
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _send(self, batch: list[tuple[Row, dict[str, Any]]]) -> None:
        """One that is malformed is halved until the row at fault stands alone."""
        try:
            answer = await self._suite.post(
                self._path, {self._rows: [lead for _, lead in batch], **self._more}, once=False
            )
        except Refused as refused:
            if refused.status != MALFORMED:
                raise
            if len(batch) == 1:
                self._refuse(batch[0][0], str(refused))
                return
            half = len(batch) // 2
            await self._send(batch[:half])
            await self._send(batch[half:])
            return
        for (row, _), result in zip(batch, answer["results"], strict=True):
            if result["outcome"] in KEPT:
                self._outcome.counts[result["outcome"]] += 1
            else:
                self._refuse(row, result["reason"])
        self._progress.done(self._outcome.rows)

    def _refuse(self, row: Row, reason: str) -> None:
        self._outcome.refused += 1
        self._refusals.add(row, reason)
