"""Nurture paths: which of them a lead that is left in peace is sent down, and why not the others."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record

from leads.domain.cadence import Cadence
from leads.domain.segment import LeadSegment
from leads.domain.settings import LONGEST_NURTURE
from leads.domain.state import WakeCause


class NurturePathClosed(FailedPrecondition):
    "The lead cannot be sent down that path now."


@dataclass(frozen=True, kw_only=True)
class NurturePath:
    """For whom, what is done with them meanwhile, and for how long. `inactive`: why nobody is sent down it."""

    path: str
    display_name: str = ""
    segment: str = ""
    filter: str = ""
    cadence: str = ""
    days: int = 0
    until: datetime | None = None
    sleeps_through: list[WakeCause] = field(default_factory=list)
    most_entries: int = 0
    pause_days: int = 0
    inactive: str = ""

    def wake_time(self, at: datetime) -> datetime:
        return self.until or at + timedelta(days=self.days)

    def judged(
        self, cadences: Mapping[str, Cadence], segments: Mapping[str, LeadSegment], at: datetime
    ) -> "NurturePath":
        """The same, saying whether leads are sent down it. `cadences` and `segments`: those that are there, by name."""
        said = [said for _, said in self.wrong_with(cadences, segments, at)]
        return replace(self, inactive=said[0] if said else "")

    def wrong_with(
        self, cadences: Mapping[str, Cadence], segments: Mapping[str, LeadSegment], at: datetime
    ) -> list[tuple[str, str]]:
        """What stands in its way besides itself, each with its field."""
        found, cadence, segment = [], cadences.get(self.cadence), segments.get(self.segment)
        if self.segment and (segment is None or segment.archive_time):
            found.append(("segment", f"{self.segment} is {'archived' if segment else 'not there'}"))
        if self.cadence and (cadence is None or cadence.archive_time):
            found.append(("cadence", f"{self.cadence} is {'archived' if cadence else 'not there'}"))
        elif cadence and not cadence.for_nurturing:
            found.append(("cadence", f"{self.cadence} is not for nurtured leads"))
        if self.until and self.until <= at:
            found.append(("until", f"{self.until:%Y-%m-%d %H:%M} is past"))
        return found

    def check(self, at: datetime) -> list[tuple[str, str]]:
        """What is wrong with it in itself, each with its field."""
        found = []
        if self.segment and self.filter.strip():
            found.append(("filter", "is said without a segment, or the other way round"))
        if bool(self.days) == bool(self.until):
            found.append(("days", "name either days or a moment"))
        if self.until and self.until > at + LONGEST_NURTURE:
            found.append(("until", f"lies not within the next {LONGEST_NURTURE.days} days"))
        return found


@dataclass(kw_only=True)
class NurtureSettings(Record):
    """There is one."""

    collection: ClassVar[str] = "nurtureSettings"
    ID: ClassVar[str] = "settings"

    id: str = ID
    paths: list[NurturePath] = field(default_factory=list)

    def check(self, cadences: Mapping[str, Cadence], segments: Mapping[str, LeadSegment], at: datetime) -> None:
        """InvalidFields if leads could not be sent down one of its paths."""
        wrong, seen = [], set[str]()
        for place, path in enumerate(self.paths):
            said = [("path", f"{path.path} is taken")] if path.path in seen else []
            said += [*path.check(at), *path.wrong_with(cadences, segments, at)]
            wrong += [(f"nurture_settings.paths[{place}].{name}", why) for name, why in said]
            seen.add(path.path)
        if wrong:
            raise InvalidFields(*wrong)

    def path(self, slug: str) -> NurturePath | None:
        """The path of that slug, None for no slug; InvalidFields if there is none."""
        if not slug:
            return None
        found = next((path for path in self.paths if path.path == slug), None)
        if found is None:
            raise InvalidFields(("path", f"is none of {', '.join(path.path for path in self.paths) or 'none'}"))
        return found


@dataclass(frozen=True)
class Past:
    """A lead's past on one path: how many times it was sent down, and when it last left."""

    entries: int = 0
    last_left: datetime | None = None


class Verdict(Enum):
    VERDICT_UNSPECIFIED = 0
    TAKEN = 1
    OPEN = 2
    NOT_SELECTED = 3
    TOO_OFTEN = 4
    TOO_SOON = 5
    INACTIVE = 6


@dataclass(frozen=True, kw_only=True)
class ConsideredPath:
    """What was found of one path for one lead."""

    path: str
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The path a lead is sent down, empty for none, and what was found of each."""

    lead: str
    path: str
    named: bool = False
    decide_time: datetime
    cadence_enrolment: str = ""
    paths: list[ConsideredPath] = field(default_factory=list)


def decide(
    lead: str,
    paths: Sequence[NurturePath],
    selected: Collection[str],
    past: Mapping[str, Past],
    at: datetime,
    named: str = "",
) -> Decision:
    """The first of the paths that is for the lead and open to it, or the one that is `named`, whoever that is for.
    NurturePathClosed if that one is not open. `selected`: the paths whose segment or filter selects the lead."""
    found, taken = [], ""
    for path in paths:
        one = _consider(path, path.path in selected or path.path == named, past.get(path.path, Past()), at)
        if one.verdict is Verdict.OPEN and not taken and named in ("", path.path):
            one, taken = replace(one, verdict=Verdict.TAKEN), path.path
        if path.path == named and not taken:
            raise NurturePathClosed(lead=lead, path=named, why=one.verdict.name, detail=one.detail)
        found.append(one)
    return Decision(lead=lead, path=taken, named=bool(named), decide_time=at, paths=found)


def _consider(path: NurturePath, selected: bool, past: Past, at: datetime) -> ConsideredPath:
    """Of one path alone."""
    verdict, detail = Verdict.OPEN, ""
    open_from = past.last_left + timedelta(days=path.pause_days) if past.last_left else at
    if path.inactive:
        verdict, detail = Verdict.INACTIVE, path.inactive
    elif not selected:
        verdict = Verdict.NOT_SELECTED
    elif path.most_entries and past.entries >= path.most_entries:
        verdict, detail = Verdict.TOO_OFTEN, f"{past.entries} of {path.most_entries} times"
    elif open_from > at:
        verdict, detail = Verdict.TOO_SOON, f"from {open_from:%Y-%m-%d %H:%M} UTC on"
    return ConsideredPath(path=path.path, verdict=verdict, detail=detail)


@dataclass(frozen=True, kw_only=True)
class NurtureSettingsUpdated:
    nurture_settings: NurtureSettings
    fields: list[str]
    event_time: datetime
