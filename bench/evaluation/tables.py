"""The published files that the evaluations read, and what is wrong with those that they cannot."""

import csv
import gzip
import io
from collections.abc import Iterable
from pathlib import Path

Row = dict[str, str]


class Unfit(ValueError):
    """A file that cannot be judged, with the reason in the words of its owner."""


def path_of(folder: Path, name: str) -> Path | None:
    """`name` in a folder, or `name`.gz; None if there is neither."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def rows(path: Path, needed: Iterable[str] = ()) -> list[Row]:
    """The rows of a CSV file, texts without blanks at their ends; Unfit if it lacks a needed column, or has no row."""
    whole = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = whole.decode("utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""), skipinitialspace=True)
    read = [{name.strip(): (value or "").strip() for name, value in row.items() if name} for row in reader]
    there = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in needed if name not in there]
    if missing:
        raise Unfit(f"{path} has no column {', '.join(missing)}; its columns are {', '.join(there) or 'none'}")
    if not read:
        raise Unfit(f"{path} has no rows")
    return read
