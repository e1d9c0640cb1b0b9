"""A record of a file of leads."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A record of the file: where it begins, from 1, and its cells by column."""

    line: int
    cells: dict[str, str]
