"""Bulk edits: which leads may be changed together, what differs then, and what an undo gives back.

What a lead says is compared value by value: each label and each company-defined field is one of its own, `labels.KEY`
and `custom.SLUG`. What has no value is not there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, ClassVar

from chassis.custom_values import Values, same
from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record

from leads.domain.lead import Lead
from leads.domain.merge import refuse_merged
from leads.domain.state import LIVE, LeadArchivedAlready

STARTED_WITHIN = timedelta(days=1)  # of the preview: what was seen grows old
UNDONE_WITHIN = timedelta(days=30)
MOST_LABELS = 50  # of one lead
KEYED = ("labels", "custom")  # fields of many values, each under a key


class PreviewNotWhole(FailedPrecondition):
    "The preview is not whole yet, or did not come to its end; then create the edit again."


class PreviewTooOld(FailedPrecondition):
    "What was previewed is too old by now; create the edit again."


class BulkEditUnderWay(FailedPrecondition):
    "A step of the edit is under way; wait for its end, or cancel it."


class BulkEditUndone(FailedPrecondition):
    "The edit was taken back."


class BulkEditNotStarted(FailedPrecondition):
    "The edit was not started, so there is nothing to take back."


class BulkEditUndoOver(FailedPrecondition):
    "The time in which the edit could be taken back is over."


class FieldsChangedSince(FailedPrecondition):
    "Somebody gave these fields other values since the edit; they are left."


class Outcome(Enum):
    WAITING = 1
    CHANGING = 2
    UNCHANGED = 3
    REFUSED = 4
    CHANGED = 5
    UNDONE = 6
    LEFT = 7


@dataclass(frozen=True, kw_only=True)
class BulkValues:
    """What can be set in many leads at once, called as in a lead."""

    company: str = ""
    channel: str = ""
    landing_page: str = ""
    note: str = ""
    country: str = ""
    region: str = ""
    language: str = ""
    product: str = ""
    company_size: int = 0
    labels: dict[str, str] = field(default_factory=dict)
    custom: Values = field(default_factory=dict)


SETTABLE = tuple(item.name for item in fields(BulkValues))
PLAIN = tuple(name for name in SETTABLE if name not in KEYED)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """How many leads were refused for a reason."""

    reason: str
    leads: int


@dataclass(kw_only=True)
class LeadBulkEdit(Record):
    """A change of many leads, its steps so far and what they counted."""

    collection: ClassVar[str] = "leadBulkEdits"

    owner: str
    team: str
    filter: str = ""
    segment: str = ""
    include_closed: bool = False
    lead: BulkValues = field(default_factory=BulkValues)
    fields: list[str] = field(default_factory=list)
    preview_operation: str = ""
    operation: str = ""
    undo_operation: str = ""
    preview_time: datetime | None = None
    start_time: datetime | None = None
    undo_until: datetime | None = None
    selected: int = 0
    changing: int = 0
    unchanged: int = 0
    refused: int = 0
    changed: int = 0
    undone: int = 0
    left: int = 0
    refusals: list[Refusal] = field(default_factory=list)

    def start(self, operation: str, at: datetime) -> None:
        """Its change is made by this operation from now on. The caller knows that no step is under way."""
        if self.undo_operation:
            raise BulkEditUndone(name=self.name)
        if self.preview_time is None:
            raise PreviewNotWhole(name=self.name)
        if self.start_time is None and at > self.preview_time + STARTED_WITHIN:
            raise PreviewTooOld(name=self.name)
        self.operation = operation
        self.start_time = self.start_time or at
        self.undo_until = self.start_time + UNDONE_WITHIN

    def undo(self, operation: str, at: datetime) -> None:
        """It is taken back by this operation from now on. The caller knows that no step is under way."""
        if self.undo_until is None:
            raise BulkEditNotStarted(name=self.name)
        if at > self.undo_until:
            raise BulkEditUndoOver(name=self.name, undo_until=self.undo_until.isoformat())
        self.undo_operation = operation

    def count(self, items: Iterable["Item"]) -> None:
        """What these items became."""
        reasons: Counter[str] = Counter()
        for item in items:
            if item.outcome is Outcome.UNDONE and item.left_fields:
                self.left += 1
            name = item.outcome.name.lower()
            setattr(self, name, getattr(self, name) + 1)
            reasons.update([item.reason] if item.reason else [])
        self._refuse(reasons)

    def take_up(self, left: Mapping[str, int]) -> None:
        """The leads that an undo left, by reason, are tried again."""
        self.left -= sum(left.values())
        self._refuse({reason: -number for reason, number in left.items()})

    def _refuse(self, more: Mapping[str, int]) -> None:
        reasons = Counter({one.reason: one.leads for one in self.refusals})
        reasons.update(more)
        self.refusals = [Refusal(reason=reason, leads=number) for reason, number in (+reasons).most_common()]


@dataclass(kw_only=True)
class Item:
    """What becomes of one lead. `version` is the lead's, as it was last looked at."""

    lead_id: str
    outcome: Outcome = Outcome.WAITING
    reason: str = ""
    message: str = ""
    version: int = 0
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    left_fields: list[str] = field(default_factory=list)


def check_fields(paths: Iterable[str]) -> None:
    """InvalidFields for a path that is nothing that can be set in bulk."""
    wrong = [path for path in paths if not (path in SETTABLE or (_keyed(path) and path.partition(".")[2]))]
    if wrong:
        allowed = ", ".join([*PLAIN, "labels.KEY", "custom.SLUG"])
        raise InvalidFields(*(("fields", f"{path} cannot be set in bulk; what can: {allowed}") for path in wrong))


def populated(values: BulkValues) -> list[str]:
    """The paths that have a value."""
    return list(said_by(values))


def refuse(lead: Lead, *, include_closed: bool) -> None:
    """Refuses a lead that no bulk edit changes: a tombstone, and what is closed unless that was asked for."""
    refuse_merged(lead)
    if not include_closed:
        lead.require(LIVE)
        if lead.archive_time:
            raise LeadArchivedAlready(lead=lead.name)


def said_by(lead: Lead | BulkValues) -> dict[str, Any]:
    """What a lead says, by path."""
    said = {name: value for name in PLAIN if (value := getattr(lead, name))}
    for name in KEYED:
        said |= {f"{name}.{key}": value for key, value in getattr(lead, name).items()}
    return said


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of what differs what was said before, and after."""
    paths = [path for path in {**old, **new} if not same(old.get(path), new.get(path))]
    return {path: old[path] for path in paths if path in old}, {path: new[path] for path in paths if path in new}


def labelled(lead: Lead, values: BulkValues, paths: Iterable[str]) -> dict[str, str]:
    """A lead's labels with those that `paths` name set, or taken away if they have no value. InvalidFields if they are
    more than a lead may have."""
    labels = dict(lead.labels)
    for path in paths:
        name, _, key = path.partition(".")
        if name == "labels" and key:
            labels.pop(key, None)
            if key in values.labels:
                labels[key] = values.labels[key]
    if len(labels) > max(MOST_LABELS, len(lead.labels)):
        raise InvalidFields(("labels", f"a lead has at most {MOST_LABELS}"))
    return labels


def give_back(lead: Lead, item: Item) -> list[str]:
    """Gives a lead what it said before an edit where it still says what the edit made of it; the paths left alone."""
    now = said_by(lead)
    left = []
    for path in {**item.before, **item.after}:
        if not same(now.get(path), item.after.get(path)):
            left.append(path)
        elif _keyed(path):
            name, _, key = path.partition(".")
            values = {one: value for one, value in getattr(lead, name).items() if one != key}
            setattr(lead, name, values | ({key: item.before[path]} if path in item.before else {}))
        else:
            setattr(lead, path, item.before.get(path, 0 if path == "company_size" else ""))
    return left


def _keyed(path: str) -> bool:
    return path.partition(".")[0] in KEYED
