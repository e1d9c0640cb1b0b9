"""Searches for prospects: what a company looks for, where, and how far it was asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import ClassVar

from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record

USUAL_PROSPECTS = 1000
CHANNEL = "channels/prospecting"
RANGES = ("employees", "revenue")


class ProspectSearchArchivedAlready(FailedPrecondition):
    "The search is archived."


class ProspectSearchNotArchived(FailedPrecondition):
    "The search is not archived."


class ProspectSearchUnderWay(FailedPrecondition):
    "The search is under way; wait for its operation to end, or cancel that."


class ProspectSearchFull(FailedPrecondition):
    "The search holds as many prospects as it may; raise `most_prospects`, or narrow what is looked for in another one."


class NotLookedFor(FailedPrecondition):
    "The source told of something that is not looked for."


@dataclass(frozen=True, kw_only=True)
class ProspectCriteria:
    """What is looked for; what is empty or 0 is not asked."""

    countries: list[str] = field(default_factory=list)
    regions: list[str] = field(default_factory=list)
    cities: list[str] = field(default_factory=list)
    industries: list[str] = field(default_factory=list)
    employees_min: int = 0
    employees_max: int = 0
    revenue_min: int = 0
    revenue_max: int = 0
    words: list[str] = field(default_factory=list)
    competitors: list[str] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        """Which of them are set."""
        return [name for name in CRITERIA if getattr(self, name)]

    def check(self, source: str, asks: Sequence[str]) -> None:
        """InvalidFields for no criterion, for one that the source cannot be asked for, and for an empty range."""
        wrong = [(f"criteria.{name}", f"{source} cannot be asked for it") for name in self.asked if name not in asks]
        if not self.asked:
            wrong.append(("criteria", "says nothing of what is looked for"))
        for name in RANGES:
            least, most = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if most and least > most:
                wrong.append((f"criteria.{name}_min", f"is more than {name}_max"))
        if wrong:
            raise InvalidFields(*wrong)

    def require(self, country: str, employees: int, revenue: int) -> None:
        """NotLookedFor, if what the source says contradicts what was asked. What it does not say contradicts nothing;
        places and industries are spelled in many ways, and are the source's to compare."""
        if country and self.countries and country not in self.countries:
            raise NotLookedFor(country=country)
        for name, value in zip(RANGES, (employees, revenue), strict=True):
            least, most = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if value and (value < least or (most and value > most)):
                raise NotLookedFor(**{name: value})


CRITERIA = tuple(item.name for item in fields(ProspectCriteria))


@dataclass(frozen=True, kw_only=True)
class Place:
    """A page of a source: its number, from 1, and what the page before said of where it is."""

    page: int = 1
    cursor: str = ""


@dataclass(kw_only=True)
class ProspectSearch(Record):
    """A search. `next_page` is where its last run stopped."""

    collection: ClassVar[str] = "prospectSearches"

    display_name: str
    source: str
    criteria: ProspectCriteria = field(default_factory=ProspectCriteria)
    owner: str = ""
    team: str = ""
    archive_time: datetime | None = None
    channel: str = ""
    most_prospects: int = USUAL_PROSPECTS
    operation: str = ""
    run_time: datetime | None = None
    resumable: bool = False
    next_page: Place = field(default_factory=Place)
    found_count: int = 0
    accepted_count: int = 0
    dismissed_count: int = 0

    def settle(self) -> None:
        """Reads what is empty as the default."""
        self.most_prospects = self.most_prospects or USUAL_PROSPECTS
        if self.channel and "/" not in self.channel:
            self.channel = f"channels/{self.channel}"
        self.channel = self.channel or CHANNEL

    def archive(self, at: datetime) -> "ProspectSearchArchived":
        self.require_in_use()
        self.archive_time = at
        return ProspectSearchArchived(prospect_search=self, event_time=at)

    def restore(self, at: datetime) -> "ProspectSearchRestored":
        if not self.archive_time:
            raise ProspectSearchNotArchived(name=self.name)
        self.archive_time = None
        return ProspectSearchRestored(prospect_search=self, event_time=at)

    def require_in_use(self) -> None:
        if self.archive_time:
            raise ProspectSearchArchivedAlready(name=self.name)

    def changed(self, names: list[str], at: datetime) -> "ProspectSearchUpdated":
        """What else is asked, or elsewhere, has other pages."""
        if {"criteria", "source"} & set(names):
            self.resumable, self.next_page = False, Place()
        return ProspectSearchUpdated(prospect_search=self, fields=names, event_time=at)

    def run(self, operation: str, *, resume: bool, at: datetime) -> "ProspectSearchRun":
        if not resume:
            self.next_page = Place()
        self.operation, self.run_time, self.resumable = operation, at, True
        return ProspectSearchRun(prospect_search=self, event_time=at)

    def found(self, number: int, at: datetime) -> "ProspectsFound":
        self.found_count += number
        return ProspectsFound(prospect_search=self, prospects=number, event_time=at)

    def turn_to(self, page: Place | None) -> None:
        """The page that is next; None: there is none."""
        self.next_page, self.resumable = page or Place(), page is not None

    def accepted(self, prospects: dict[str, str], at: datetime) -> "ProspectsAccepted":
        """`prospects`: each with its lead."""
        self.accepted_count += len(prospects)
        return ProspectsAccepted(
            prospect_search=self, prospects=list(prospects), leads=list(prospects.values()), event_time=at
        )

    def dismissed(self, prospects: list[str], at: datetime) -> "ProspectsDismissed":
        self.dismissed_count += len(prospects)
        return ProspectsDismissed(prospect_search=self, prospects=prospects, event_time=at)


@dataclass(frozen=True, kw_only=True)
class ProspectSearchCreated:
    prospect_search: ProspectSearch
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ProspectSearchUpdated:
    prospect_search: ProspectSearch
    fields: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ProspectSearchArchived:
    prospect_search: ProspectSearch
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ProspectSearchRestored:
    prospect_search: ProspectSearch
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ProspectSearchRun:
    prospect_search: ProspectSearch
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ProspectsFound:
    prospect_search: ProspectSearch
    prospects: int
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ProspectsAccepted:
    prospect_search: ProspectSearch
    prospects: list[str]
    leads: list[str]
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ProspectsDismissed:
    prospect_search: ProspectSearch
    prospects: list[str]
    event_time: datetime
