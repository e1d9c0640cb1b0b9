"""Whose turn it is in a team."""

from dataclasses import dataclass
from typing import ClassVar

from chassis.errors import FailedPrecondition
from chassis.values import Record


class NobodyToAssign(FailedPrecondition):
    "The team has nobody who can take a lead now."


@dataclass(kw_only=True)
class Rotation(Record):
    """Whose turn it was last in a team."""

    collection: ClassVar[str] = "rotations"

    last: str = ""

    def give(self, person: str) -> None:
        """It was this person's turn; NobodyToAssign if there was nobody."""
        if not person:
            raise NobodyToAssign(team=f"teams/{self.id}")
        self.last = person
