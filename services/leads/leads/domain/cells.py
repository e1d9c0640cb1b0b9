"""Cells of a file as values of a lead's fields. ValueError says why a cell is none."""

import math
import re
from collections.abc import Callable, Iterable
from datetime import date
from enum import Enum
from typing import Any

from chassis.custom_values import Type

TRUE = frozenset({"true", "yes", "y", "1", "да", "是", "sim", "x", "✓"})
FALSE = frozenset({"false", "no", "n", "0", "не", "否", "não", "nao"})
PLAIN_DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(.*)", re.DOTALL)
OTHER_DAY = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?: ?г\.?)?(.*)", re.DOTALL)
CLOCK = re.compile(r"[T ,]*(\d{1,2}):(\d\d)(?::(\d\d))?(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?")


class DateOrder(Enum):
    DATE_ORDER_UNSPECIFIED = 0
    DAY_MONTH_YEAR = 1
    MONTH_DAY_YEAR = 2


def text(cell: str, _: DateOrder) -> str:
    return cell


def whole(cell: str, _: DateOrder) -> int:
    """`1 200` and `1200` are one number; `1,2` and `1.200` could be two, and are none."""
    plain = re.sub(r"[\s\u00a0]", "", cell)
    if not re.fullmatch(r"[+-]?[0-9]{1,15}", plain):
        raise ValueError(f"{cell!r} is no whole number")
    return int(plain)


def number(cell: str, _: DateOrder) -> float:
    plain = re.sub(r"[\s\u00a0]", "", cell)
    if plain.count(",") == 1 and "." not in plain and not re.search(r",\d{3}$", plain):
        plain = plain.replace(",", ".")
    try:
        if re.fullmatch(r"[+-]?[0-9.]+", plain) and math.isfinite(found := float(plain)):
            return found
    except ValueError:
        pass
    raise ValueError(f"{cell!r} is no number such as 1234.5")


def truth(cell: str, _: DateOrder) -> bool:
    said = cell.casefold()
    if said not in TRUE | FALSE:
        raise ValueError(f"{cell!r} is neither true nor false")
    return said in TRUE


def several(cell: str, _: DateOrder) -> list[str]:
    return [part.strip() for part in re.split(r"[;；|]", cell) if part.strip()]


def day(cell: str, order: DateOrder) -> str:
    """A day as `2026-01-31`; what may stand behind it is no part of it."""
    return _day(cell, order)[0]


def moment(cell: str, order: DateOrder) -> str:
    """A moment as `2026-01-31T09:30:00Z`. A day is its first moment in UTC, a clock without a zone is UTC's."""
    found, rest = _day(cell, order)
    if not rest.strip():
        return f"{found}T00:00:00Z"
    clock = CLOCK.fullmatch(rest)
    if clock is None or int(clock[1]) > 23 or int(clock[2]) > 59 or int(clock[3] or 0) > 59:
        raise ValueError(f"{cell!r} is no moment such as 2026-01-31 09:30")
    zone = clock[4] or "Z"
    if zone != "Z" and ":" not in zone:
        zone = f"{zone[:3]}:{zone[3:]}"
    return f"{found}T{int(clock[1]):02}:{clock[2]}:{clock[3] or '00'}{zone}"


def likely_order(cells: Iterable[str]) -> DateOrder:
    """In which order these cells write their days, as far as they show it: one above 12 is no month."""
    shown = set()
    for cell in cells:
        if found := OTHER_DAY.fullmatch(cell.strip()):
            first, second = int(found[1]), int(found[2])
            if 12 < first <= 31 and second <= 12:
                shown.add(DateOrder.DAY_MONTH_YEAR)
            elif 12 < second <= 31 and first <= 12:
                shown.add(DateOrder.MONTH_DAY_YEAR)
    return shown.pop() if len(shown) == 1 else DateOrder.DATE_ORDER_UNSPECIFIED


def _day(cell: str, order: DateOrder) -> tuple[str, str]:
    """The day and what stands behind it."""
    if found := PLAIN_DAY.fullmatch(cell):
        year, month, number_of_day, rest = found.groups()
    elif (found := OTHER_DAY.fullmatch(cell)) and order is not DateOrder.DATE_ORDER_UNSPECIFIED:
        first, second, year, rest = found.groups()
        days_first = order is DateOrder.DAY_MONTH_YEAR
        number_of_day, month = (first, second) if days_first else (second, first)
    else:
        said = "; the mapping does not say in which order days are written" if found else ""
        raise ValueError(f"{cell!r} is no day such as 2026-01-31{said}")
    try:
        return date(int(year), int(month), int(number_of_day)).isoformat(), rest
    except ValueError:
        raise ValueError(f"{cell!r} is no day of the calendar") from None


Reader = Callable[[str, DateOrder], Any]
TEXTS = (
    "display_name", "given_name", "family_name", "company", "email", "phone", "owner", "channel", "landing_page",
    "note", "country", "region", "language", "product",
)  # fmt: skip
READERS: dict[str, Reader] = {
    **dict.fromkeys(TEXTS, text), "contact_time": moment, "company_size": whole, "do_not_call": truth
}  # fmt: skip
OWN_READERS: dict[Type, Reader] = {
    Type.NUMBER: number, Type.INTEGER: whole, Type.BOOL: truth, Type.MULTI_ENUM: several, Type.DATE: day,
    Type.DATETIME: moment,
}  # fmt: skip


def own_value(kind: Type, cell: str, order: DateOrder) -> Any:
    """A cell as a value of a company-defined field; whether its definition allows it is another question."""
    return OWN_READERS.get(kind, text)(cell, order)
