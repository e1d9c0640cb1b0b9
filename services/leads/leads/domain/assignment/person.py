"""People who may be given leads: what they can take, and what they have."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum

WORKDAYS = 20  # of a month, where only a day's capacity is known


class Presence(Enum):
    """Where somebody is at a moment."""

    AT_WORK = 1
    OFF_HOURS = 2
    ON_LEAVE = 3


# Where a person (`users/x`) is at a moment.
Presences = Callable[[str, datetime], Presence]


class Verdict(Enum):
    """What a decision says of one candidate."""

    CHOSEN = 1
    NOT_ACTIVE = 2  # deactivated, or nobody by that name
    PAUSED = 3  # takes nothing for now
    HAD_IT = 4  # it is being taken off them
    ON_LEAVE = 5
    OFF_HOURS = 6
    DAY_FULL = 7  # has today's capacity
    MONTH_FULL = 8  # has this month's
    NOT_THE_OWNER = 9  # somebody else has the customer
    OUT_OF_TURN = 10  # might have got it; somebody else was due


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody of the company, as of the beginning. `taken` counts the leads given to them by civil day of the
    company's zone, this month's at least; it need not be said of who has no capacity. A capacity of None is no limit;
    0 is none at all."""

    name: str
    team: str = ""
    active: bool = True
    paused: bool = False
    daily_capacity: int | None = None
    monthly_capacity: int | None = None
    open_leads: int = 0
    taken: Mapping[date, int] = field(default_factory=dict)

    @property
    def is_limited(self) -> bool:
        return self.daily_capacity is not None or self.monthly_capacity is not None

    @property
    def capacity(self) -> float | None:
        """Of a month; None: not known. It is what the strategy WEIGHTED goes by."""
        if self.monthly_capacity is not None:
            return self.monthly_capacity
        return None if self.daily_capacity is None else self.daily_capacity * WORKDAYS


class Desk:
    """What lies on somebody's desk while leads are given out."""

    def __init__(self, person: Person) -> None:
        self.person, self.open_leads = person, person.open_leads
        self._days = Counter(person.taken)
        self._months: Counter[tuple[int, int]] = Counter()
        for day, number in person.taken.items():
            self._months[day.year, day.month] += number

    def taken(self, day: date) -> int:
        """How many they were given on that day."""
        return self._days[day]

    def refuses(self, day: date) -> Verdict | None:
        """Why they take nothing more on that day; None if they do."""
        person = self.person
        if not person.active:
            return Verdict.NOT_ACTIVE
        if person.paused:
            return Verdict.PAUSED
        if person.daily_capacity is not None and self._days[day] >= person.daily_capacity:
            return Verdict.DAY_FULL
        if person.monthly_capacity is not None and self._months[day.year, day.month] >= person.monthly_capacity:
            return Verdict.MONTH_FULL
        return None

    def take(self, day: date) -> None:
        self.open_leads += 1
        self._days[day] += 1
        self._months[day.year, day.month] += 1
