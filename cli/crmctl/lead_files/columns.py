"""A CSV file's columns as fields of a lead: by the names of the contract, as an export has them, or as mapped."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chassis.spreadsheet import unguarded
from crm.leads.v1 import leads_pb2
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from crmctl.problem import Problem

LINE, REASON = "error_line", "error_reason"  # of a file of refused rows: read again, they say nothing
LABEL = re.compile(r"label:(.+)")
OWN = re.compile(r"custom\.([a-z][a-z0-9_]*)")  # a company's own field
F = FieldDescriptor


class WrongCell(Exception):
    """What a cell says cannot be a value of its field."""


@dataclass(frozen=True)
class Key:
    """By which column the other system knows its leads; the file's rows themselves if there is none."""

    system: str
    column: str = ""

    def of(self, row: Mapping[str, str]) -> dict[str, str]:
        """The external id. A row that stands in a file twice is one lead, and so is a file that is read twice."""
        if self.column:
            return {"system": self.system, "id": row[self.column].strip()}
        said = json.dumps([[name, cell] for name, cell in row.items() if name not in (LINE, REASON)])
        return {"system": self.system, "kind": "row", "id": hashlib.sha256(said.encode()).hexdigest()[:32]}


class Columns:
    """How one file is read."""

    def __init__(
        self, header: Iterable[str], mapped: Mapping[str, str], key: Key, own: Mapping[str, str] | None = None
    ) -> None:
        """`mapped` is column → field, `-` for a column to be passed over; `own` the company's own fields: slug → type.
        Raises Problem for what cannot be read."""
        self.header, self.key, self._own = list(header), key, own or {}
        if doubled := [name for name in self.header if self.header.count(name) > 1]:
            raise Problem(f"The column {doubled[0]!r} stands there twice.")
        if missing := [name for name in [*mapped, key.column] if name and name not in self.header]:
            raise Problem(f"There is no column {missing[0]!r}; there are: {', '.join(self.header)}.")
        self._readers: list[tuple[str, str, Callable[[str], Any]]] = []
        self._labels: list[tuple[str, str]] = []
        self._custom: list[tuple[str, str, Callable[[str], Any]]] = []
        for name in self.header:
            self._understand(name, mapped.get(name, ""))
        if "display_name" not in {field for _, field, _ in self._readers}:
            raise Problem("No column is the lead's display_name: name it with --map 'COLUMN=display_name'.")

    def _understand(self, name: str, mapped: str) -> None:
        if mapped == "-" or name in (LINE, REASON) or (name == self.key.column and not mapped):
            return
        field = mapped or plain(name)
        if label := LABEL.fullmatch(mapped or name):
            self._labels.append((name, label[1]))
        elif custom := OWN.fullmatch(mapped or name):
            if custom[1] not in self._own:
                defined = ", ".join(self._own) or "none"
                raise Problem(f"The company has defined no field {custom[1]!r} of leads; it has: {defined}.")
            self._custom.append((name, custom[1], OWN_READERS.get(self._own[custom[1]], str)))
        elif field in FIELDS:
            self._readers.append((name, field, FIELDS[field]))
        elif field not in OUTPUTS or mapped:
            known = ", ".join([*FIELDS, "label:KEY", "custom.SLUG"])
            raise Problem(
                f"The column {name!r} is no field of a lead. Map it (--map '{name}=FIELD') or pass over it "
                f"(--map '{name}=-'). Fields: {known}."
            )

    def lead(self, row: Mapping[str, str]) -> dict[str, Any]:
        """A row as the API takes it. Raises WrongCell."""
        lead: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        for values, readers in ((lead, self._readers), (custom, self._custom)):
            for name, field, read in readers:
                if cell := unguarded(row[name].strip()):
                    try:
                        values[field] = read(cell)
                    except ValueError as wrong:
                        raise WrongCell(f"{name}: {wrong}") from None
        if custom:
            lead["custom"] = custom
        labels = {key: cell for name, key in self._labels if (cell := unguarded(row[name].strip()))}
        if labels:
            lead["labels"] = lead.get("labels", {}) | labels
        key = self.key.of(row)
        if not key["id"]:
            raise WrongCell(f"{self.key.column}: is empty, and the lead's key")
        lead["external_ids"] = [*lead.get("external_ids", []), key]
        return lead


def own_fields(header: Iterable[str], mapped: Mapping[str, str]) -> bool:
    """Whether a file says something about a company's own fields."""
    return any(OWN.fullmatch(mapped.get(name, "") or name) for name in header)


def plain(name: str) -> str:
    """`Display Name`, `E-mail` → `display_name`, `email`."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower().replace("e-mail", "email")).strip("_")


def _whole(cell: str) -> int:
    try:
        return int(cell)
    except ValueError:
        raise ValueError(f"{cell!r} is no whole number") from None


def _number(cell: str) -> float:
    try:
        if math.isfinite(number := float(cell)):
            return number
    except ValueError:
        pass
    raise ValueError(f"{cell!r} is no number")


def _truth(cell: str) -> bool:
    if cell.lower() not in ("true", "false"):
        raise ValueError(f"{cell!r} is neither true nor false")
    return cell.lower() == "true"


def _several(cell: str) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


def _parts(cell: str) -> Any:
    try:
        return json.loads(cell)
    except ValueError:
        raise ValueError("is no JSON") from None


def _time(cell: str) -> str:
    """A day is its first moment in UTC."""
    return f"{cell}T00:00:00Z" if re.fullmatch(r"\d{4}-\d\d-\d\d", cell) else cell


def _reader(item: FieldDescriptor) -> Callable[[str], Any]:
    if item.is_repeated and item.type == F.TYPE_STRING:
        return _several
    if item.is_repeated:
        return _parts
    if item.message_type is not None:
        return _time if item.message_type.full_name == "google.protobuf.Timestamp" else _parts
    if item.cpp_type == F.CPPTYPE_BOOL:
        return _truth
    return _whole if item.cpp_type in (F.CPPTYPE_INT32, F.CPPTYPE_INT64) else lambda cell: cell


def _given_by_us(item: FieldDescriptor) -> bool:
    behaviors = item.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return bool({field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER} & set(behaviors))


OWN_READERS: Mapping[str, Callable[[str], Any]] = {
    "NUMBER": _number,
    "INTEGER": _whole,
    "BOOL": _truth,
    "MULTI_ENUM": _several,
}
_ALL = leads_pb2.Lead.DESCRIPTOR.fields
# What an export has and an import does not take: passed over.
OUTPUTS = {item.name for item in _ALL if _given_by_us(item)} | {"etag", "journey_id"}
FIELDS = {item.name: _reader(item) for item in _ALL if item.name not in OUTPUTS}
