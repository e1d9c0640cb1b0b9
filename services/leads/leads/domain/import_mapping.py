"""What the columns of a file are: by which a row becomes what a lead says."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from chassis.custom_values import Definition
from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record

from leads.domain.cells import READERS, DateOrder, own_value

NAME_PARTS = ("given_name", "family_name")  # make the display name
HAN = re.compile(r"[\u3400-\u9fff\uac00-\ud7af]+")
DEFAULT_SYSTEM = "csv"


class LeadImportMappingArchivedAlready(FailedPrecondition):
    "The mapping is archived."


class LeadImportMappingNotArchived(FailedPrecondition):
    "The mapping is not archived."


@dataclass(frozen=True, kw_only=True)
class Column:
    """What one column of a file is. `words`: what some of its texts mean."""

    column: str
    field: str
    words: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclass(kw_only=True)
class LeadImportMapping(Record):
    """How files of one kind are read."""

    collection: ClassVar[str] = "leadImportMappings"

    display_name: str
    archive_time: datetime | None = None
    columns: list[Column] = field(default_factory=list)
    defaults: dict[str, str] = field(default_factory=dict)
    date_order: DateOrder = DateOrder.DATE_ORDER_UNSPECIFIED
    key_column: str = ""
    system: str = ""

    def archive(self, at: datetime) -> "LeadImportMappingArchived":
        if self.archive_time:
            raise LeadImportMappingArchivedAlready(name=self.name)
        self.archive_time = at
        return LeadImportMappingArchived(lead_import_mapping=self, event_time=at)

    def restore(self, at: datetime) -> "LeadImportMappingRestored":
        if not self.archive_time:
            raise LeadImportMappingNotArchived(name=self.name)
        self.archive_time = None
        return LeadImportMappingRestored(lead_import_mapping=self, event_time=at)

    def check(self, own: Mapping[str, Definition]) -> None:
        """InvalidFields for a field that no lead has, a column that stands there twice, and a mapping without a name.
        `own`: the company's fields."""
        wrong = [
            (f"columns[{at}].field", said) for at, one in enumerate(self.columns) if (said := _fault(one.field, own))
        ]
        wrong += [("defaults", f"{name} {said}") for name in self.defaults if (said := _fault(name, own))]
        seen = [one.column for one in self.columns]
        wrong += [("columns", f"{name} stands there twice") for name in sorted(set(seen)) if seen.count(name) > 1]
        named = {one.field for one in self.columns} | set(self.defaults)
        if not named & {"display_name", *NAME_PARTS}:
            wrong.append(("columns", "no column is the lead's display_name, given_name or family_name"))
        if wrong:
            raise InvalidFields(*wrong)

    def read(self, cells: Mapping[str, str], own: Mapping[str, Definition]) -> dict[str, Any]:
        """A row as the fields of a lead. InvalidFields names each column that says nothing of its kind."""
        lead: dict[str, Any] = {}
        wrong: list[tuple[str, str]] = []
        for name, (column, text) in self._texts(cells).items():
            try:
                self._put(lead, name, text, own)
            except ValueError as refused:
                wrong.append((column, str(refused)))
        if wrong:
            raise InvalidFields(*wrong)
        given, family = (lead.pop(name, "") for name in NAME_PARTS)
        if (given or family) and "display_name" not in lead:
            lead["display_name"] = full_name(given, family)
        lead["external_ids"] = [self._key(cells)]
        return lead

    def _texts(self, cells: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """Field → the column that has something for it first, and what; else the default."""
        found: dict[str, tuple[str, str]] = {}
        for one in self.columns:
            text = cells.get(one.column, "").strip()
            if text and one.field not in found:
                words = {word.casefold(): meant for word, meant in one.words.items()}
                found[one.field] = one.column, words.get(text.casefold(), text)
        return {name: ("defaults", text) for name, text in self.defaults.items()} | found

    def _put(self, lead: dict[str, Any], name: str, text: str, own: Mapping[str, Definition]) -> None:
        kind, _, key = name.replace(":", ".", 1).partition(".")
        if kind == "label":
            lead.setdefault("labels", {})[key] = text
        elif kind == "custom":
            lead.setdefault("custom", {})[key] = own_value(own[key].type, text, self.date_order) if key in own else text
        else:
            lead[name] = READERS[name](text, self.date_order)

    def _key(self, cells: Mapping[str, str]) -> dict[str, str]:
        """The external id. A row that stands in a file twice is one lead, and so is a file that is read twice."""
        system = self.system or DEFAULT_SYSTEM
        if not self.key_column:
            said = json.dumps(sorted(cells.items()))
            return {"system": system, "kind": "row", "id": hashlib.sha256(said.encode()).hexdigest()[:32]}
        if not (key := cells.get(self.key_column, "").strip()):
            raise InvalidFields((self.key_column, "is empty, and the lead's key"))
        return {"system": system, "id": key}


def full_name(given: str, family: str) -> str:
    """As people write it: in Chinese and Korean the family's name first, and together."""
    if HAN.fullmatch(given) and HAN.fullmatch(family):
        return f"{family}{given}"
    return f"{given} {family}".strip()


def _fault(name: str, own: Mapping[str, Definition]) -> str:
    """Why this is no field of a lead; empty if it is one."""
    kind, _, key = name.replace(":", ".", 1).partition(".")
    if name in READERS or (kind == "label" and key and ":" in name):
        return ""
    if kind == "custom" and "." in name:
        return "" if key in own else f"is not defined; defined are: {_some(own)}"
    return f"is no field of a lead; fields: {', '.join([*READERS, 'label:KEY', 'custom.SLUG'])}"


def _some(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)[:20]) or "none"


@dataclass(frozen=True, kw_only=True)
class LeadImportMappingCreated:
    lead_import_mapping: LeadImportMapping
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadImportMappingUpdated:
    lead_import_mapping: LeadImportMapping
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadImportMappingArchived:
    lead_import_mapping: LeadImportMapping
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LeadImportMappingRestored:
    lead_import_mapping: LeadImportMapping
    event_time: datetime
