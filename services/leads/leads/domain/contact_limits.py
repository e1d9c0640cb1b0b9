"""How often somebody is contacted: neither too much nor too little."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from chassis.errors import InvalidFields
from chassis.values import Record


@dataclass(kw_only=True)
class ContactSettings(Record):
    """The company's limits; 0 is none. There is one of these."""

    collection: ClassVar[str] = "contactSettings"
    ID: ClassVar[str] = "settings"

    id: str = ID
    most_contacts: int = 0
    per_days: int = 0
    at_least_every_days: int = 0

    def check(self) -> None:
        if bool(self.most_contacts) != bool(self.per_days):
            raise InvalidFields(("per_days", "goes together with most_contacts"))

    def allowed_from(self, contacts: Sequence[datetime], at: datetime) -> datetime:
        """The first moment from `at` on at which one more contact keeps to the limit: at most `most_contacts` within
        any `per_days` days. `contacts` are those before, in any order."""
        before = sorted(one for one in contacts if one <= at)
        if not self.most_contacts or len(before) < self.most_contacts:
            return at
        return max(at, before[-self.most_contacts] + timedelta(days=self.per_days))

    def neglected_from(self, last: datetime) -> datetime | None:
        """When it is too long since somebody was in touch; None without a limit."""
        return last + timedelta(days=self.at_least_every_days) if self.at_least_every_days else None


@dataclass(frozen=True, kw_only=True)
class ContactSettingsUpdated:
    contact_settings: ContactSettings
    fields: list[str]
    event_time: datetime
