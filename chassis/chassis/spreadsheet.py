"""Cells that a spreadsheet shows and does not run, and how to read them again."""

import re

# With these a spreadsheet begins a formula; the wide forms are typed with East Asian keyboards.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def guarded(cell: str) -> str:
    """The cell so that a spreadsheet shows it and does not run it. Numbers stay numbers."""
    if cell.startswith(FORMULA) and not PLAIN_NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def unguarded(cell: str) -> str:
    """What was guarded."""
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(FORMULA) else cell
