"""Custom fields: what a company wants to know of its records beyond what the suite asks."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.custom_values import CHOICES, DEFAULT_LENGTH, NUMBERS, NumberRange, Option, Type
from chassis.errors import FailedPrecondition, InvalidFields, ResourceExhausted
from chassis.values import Record

MOST_IN_USE, MOST = 100, 300  # of one resource: each is read with every value that is set


class CustomFieldArchivedAlready(FailedPrecondition):
    "The field is archived already."


class CustomFieldNotArchived(FailedPrecondition):
    "The field is not archived."


class TooManyCustomFields(ResourceExhausted):
    "The resource has as many fields as it may have; archive one that nobody needs."


class Resource(Enum):
    """Which records have it."""

    LEAD = 1
    ACCOUNT = 2
    OPPORTUNITY = 3


@dataclass(kw_only=True)
class CustomField(Record):
    """The definition of a field: what its values are, and what is asked of them."""

    collection: ClassVar[str] = "customFields"

    display_name: str
    archive_time: datetime | None = None
    resource: Resource
    slug: str
    type: Type
    description: str = ""
    max_length: int = 0
    range: NumberRange | None = None
    options: list[Option] = field(default_factory=list)
    required: bool = False
    indexed: bool = False
    personal: bool = False

    def key(self) -> None:
        """It is named by what it is a field of, and how that calls it."""
        self.id = f"{self.resource.name.lower()}-{self.slug}"

    def check(self, before: list[Option]) -> None:
        """InvalidFields if it contradicts itself, or no longer has an option that it had `before`."""
        wrong: list[tuple[str, str]] = []
        values = [option.value for option in self.options]
        if bool(self.options) != (self.type in CHOICES):
            wrong.append(("options", "are needed by ENUM and MULTI_ENUM, and by no other type"))
        if twice := next((value for value, times in Counter(values).items() if times > 1), None):
            wrong.append(("options", f"{twice} is there twice"))
        if gone := [option.value for option in before if option.value not in values]:
            wrong.append(("options", f"records may have {', '.join(gone)}: archive it instead"))
        if self.range and self.type not in NUMBERS:
            wrong.append(("range", "is for NUMBER and INTEGER"))
        if self.range and self.range.minimum > self.range.maximum:
            wrong.append(("range", "begins behind its end: nothing would be allowed"))
        if self.max_length and self.type is not Type.STRING:
            wrong.append(("max_length", "is for STRING"))
        if self.indexed and self.max_length > DEFAULT_LENGTH:
            wrong.append(("max_length", f"is at most {DEFAULT_LENGTH} of an indexed field"))
        if wrong:
            raise InvalidFields(*((f"custom_field.{path}", said) for path, said in wrong))

    def archive(self, at: datetime) -> "CustomFieldArchived":
        if self.archive_time:
            raise CustomFieldArchivedAlready(name=self.name)
        self.archive_time = at
        return CustomFieldArchived(custom_field=self, event_time=at)

    def restore(self, at: datetime) -> "CustomFieldRestored":
        if not self.archive_time:
            raise CustomFieldNotArchived(name=self.name)
        self.archive_time = None
        return CustomFieldRestored(custom_field=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class CustomFieldCreated:
    custom_field: CustomField
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CustomFieldUpdated:
    custom_field: CustomField
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CustomFieldArchived:
    custom_field: CustomField
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CustomFieldRestored:
    custom_field: CustomField
    event_time: datetime
