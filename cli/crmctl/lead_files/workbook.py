"""XLSX files, cell by cell as people see them: days as days, telephone numbers with all their digits.

Formulas are never evaluated: what counts is the value that was stored with them."""

import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from crmctl.lead_files.rows import Row
from crmctl.problem import Problem

MOST_BYTES = 100_000_000  # of the file
MOST_UNPACKED = 1_000_000_000  # of all its parts: a bomb is small until it is opened
MOST_TEXTS = 100_000_000  # of the part that has to be in memory
MOST_COLUMNS = 500
TEXTS = "xl/sharedStrings.xml"
ZEROS = re.compile(r"0{2,20}")


class Workbook:
    """The first sheet of a workbook; its size is in rows."""

    def __init__(self, path: Path) -> None:
        import openpyxl

        check(path)
        try:
            self._book: Any = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
            sheet = self._book.worksheets[0]
        except Exception as wrong:  # whatever a damaged archive makes the library say
            raise Problem(f"{path} is no workbook that can be read: {type(wrong).__name__}.") from None
        self.path, self.size, self.done = path, max(sheet.max_row or 1, 1), 0
        self._rows = sheet.iter_rows()
        self.header = self._header()

    def _header(self) -> list[str]:
        names = [text.strip() for text in self._next() or []]
        while names and not names[-1]:
            names.pop()
        if not names:
            raise Problem(f"{self.path} is empty: the first row of the first sheet names the columns.")
        if len(names) > MOST_COLUMNS:
            raise Problem(f"{self.path} has more than {MOST_COLUMNS} columns.")
        if "" in names:
            raise Problem(f"{self.path}: column {names.index('') + 1} has no name.")
        return names

    def _next(self) -> list[str] | None:
        try:
            cells = next(self._rows, None)
            self.done += 1
            return None if cells is None else [shown(cell) for cell in cells[: MOST_COLUMNS + 1]]
        except Exception as wrong:
            raise Problem(f"{self.path}, row {self.done}, cannot be read: {type(wrong).__name__}.") from None

    def rows(self) -> Iterator[Row | tuple[Row, str]]:
        while (cells := self._next()) is not None:
            if not any(cell.strip() for cell in cells):
                continue
            given = cells[: len(self.header)] + [""] * (len(self.header) - len(cells))
            row = Row(self.done, dict(zip(self.header, given, strict=True)))
            if any(cell.strip() for cell in cells[len(self.header) :]):
                yield row, f"has cells beyond its {len(self.header)} columns"
            elif wrong := next((name for name, cell in row.cells.items() if cell in ERRORS), None):
                yield row, f"{wrong}: is {row.cells[wrong]}"
            else:
                yield row

    def close(self) -> None:
        self._book.close()


# What a spreadsheet shows in place of a value it could not work out.
ERRORS = ("#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A")


def check(path: Path) -> None:
    """Raises Problem for an archive that is too large, or would be when it is unpacked."""
    if path.stat().st_size > MOST_BYTES:
        raise Problem(f"{path} is larger than {MOST_BYTES:,} bytes: save it as CSV.")
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {part.filename: part.file_size for part in archive.infolist()}
    except (zipfile.BadZipFile, OSError, ValueError):
        raise Problem(f"{path} is no workbook: the archive is damaged.") from None
    if sum(parts.values()) > MOST_UNPACKED or parts.get(TEXTS, 0) > MOST_TEXTS:
        raise Problem(f"{path} unpacks to more than is read at once: save it as CSV.")


def shown(cell: Any) -> str:
    """A cell's value as text."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else f"{value:%Y-%m-%dT%H:%M:%S}Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int | float):
        return number(value, cell.number_format)
    return str(value)


def number(value: int | float, form: str) -> str:
    """All digits, no exponent, the leading zeros that the cell's format shows."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.15f}".rstrip("0")[:40] if abs(value) < 1e15 else str(value)
    text = str(int(value))
    return text.zfill(len(form)) if ZEROS.fullmatch(form or "") and value >= 0 else text
