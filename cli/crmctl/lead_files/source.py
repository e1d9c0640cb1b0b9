"""A file of leads, CSV or XLSX, read as it goes: memory does not grow with it."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from crmctl.lead_files.rows import Row
from crmctl.lead_files.workbook import Workbook
from crmctl.problem import Problem

LONGEST_CELL = 1_000_000


class Source(Protocol):
    """A file of rows, read as it goes: how much of it was read, in whatever unit its size has."""

    path: Path
    size: int
    header: list[str]

    @property
    def done(self) -> int: ...

    def rows(self) -> Iterator["Row | tuple[Row, str]"]:
        """Each record; with the reason where it cannot be read."""
        ...

    def close(self) -> None: ...


def opened(path: Path) -> Source:
    """By what the file is, not how it is called: a workbook is a zip archive. Raises Problem."""
    try:
        with path.open("rb") as file:
            is_zip = file.read(2) == b"PK"
    except OSError as problem:
        raise Problem(f"{path} cannot be read: {problem.strerror}.") from None
    return Workbook(path) if is_zip else CsvFile(path)


class CsvFile:
    """A CSV file in UTF-8; its size is in bytes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.path, self.size = path, max(path.stat().st_size, 1)
        text = io.TextIOWrapper(self._file, encoding="utf-8-sig", newline="")
        csv.field_size_limit(LONGEST_CELL)
        self._reader = csv.reader(text, strict=True)
        self.header = [name.strip() for name in self._next() or []]
        if not self.header:
            raise Problem(f"{path} is empty: the first line names the columns.")

    @property
    def done(self) -> int:
        """A little ahead of what was sent: files are read in blocks."""
        return self._file.tell()

    def _next(self) -> list[str] | None:
        try:
            return next(self._reader, None)
        except UnicodeDecodeError:
            raise Problem(
                f"{self.path} is not UTF-8 (near line {self._reader.line_num + 1}); save it as UTF-8."
            ) from None
        except csv.Error as problem:
            raise Problem(f"{self.path}, line {self._reader.line_num}, is no CSV: {problem}.") from None

    def rows(self) -> Iterator[Row | tuple[Row, str]]:
        """Each record; with the reason where it has another number of cells than there are columns."""
        line = self._reader.line_num + 1
        while (cells := self._next()) is not None:
            if any(cell.strip() for cell in cells):
                row = Row(line, dict(zip(self.header, cells, strict=False)))
                if len(cells) == len(self.header):
                    yield row
                else:
                    yield row, f"has {len(cells)} cells, and there are {len(self.header)} columns"
            line = self._reader.line_num + 1

    def close(self) -> None:
        self._file.close()
