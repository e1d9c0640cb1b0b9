"""Rows that were refused: told with file, line and reason, and written so that they can be corrected and fed again."""

import csv
from collections.abc import Iterable
from pathlib import Path

from chassis.spreadsheet import guarded

from crmctl.olist.files import COLUMNS, REQUIRED, Row, Table

LINE, REASON = "error_line", "error_reason"


class Rejected:
    """The refused rows of one run. A row is refused once, for the first reason found."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self._tables = tables
        self._reasons: dict[Row, str] = {}
        for table in tables.values():
            self._reasons.update(table.broken)

    def add(self, row: Row, reason: str) -> None:
        """Refuse a row."""
        self._reasons.setdefault(row, reason)

    def add_all(self, rows: Iterable[Row], reason: str) -> None:
        """Refuse rows that only make sense together."""
        for row in rows:
            self.add(row, reason)

    def __contains__(self, row: Row) -> bool:
        return row in self._reasons

    def __len__(self) -> int:
        return len(self._reasons)

    def sentences(self) -> list[str]:
        """One line each, in the order of the files."""
        order = {file: position for position, file in enumerate(COLUMNS)}
        rows = sorted(self._reasons, key=lambda row: (order[row.file], row.line))
        return [f"{row.where}: {self._reasons[row]}" for row in rows]

    def write(self, folder: Path) -> None:
        """Files of the same names and columns, and two more: where the row stood and why it was refused.

        The two required files are written even without rows, so that the folder can be imported as it is.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for table in self._tables.values():
            rows = sorted((row for row in self._reasons if row.file == table.file), key=lambda row: row.line)
            path = folder / table.file
            if not rows and table.file not in REQUIRED:
                path.unlink(missing_ok=True)  # Of an earlier run.
                continue
            columns = [name for name in table.columns if name not in (LINE, REASON)]
            with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                writer = csv.DictWriter(file, [*columns, LINE, REASON], extrasaction="ignore", restval="")
                writer.writeheader()
                for row in rows:  # the cells as they were, to be imported again: what runs there ran in the input
                    writer.writerow(row.cells | {LINE: row.line, REASON: guarded(self._reasons[row])})
