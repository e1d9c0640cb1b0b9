"""Product feedback, as leads look for those who gave it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from chassis.errors import InvalidFields


class FeedbackKind(Enum):
    KIND_UNSPECIFIED = 0
    WISH = 1
    DEFECT = 2
    PRAISE = 3
    COMPETITOR = 4


@dataclass(frozen=True, kw_only=True)
class FeedbackCondition:
    """Who gave feedback: one piece of it, or all about a product, of a kind, in a time. What is empty is not asked."""

    product_feedback: str = ""
    product: str = ""
    kind: FeedbackKind = FeedbackKind.KIND_UNSPECIFIED
    since: datetime | None = None
    until: datetime | None = None
    whole_company: bool = False

    def check(self) -> None:
        if not (self.product_feedback or self.product or self.kind.value):
            raise InvalidFields(("feedback", "names neither a product, nor a kind, nor one piece of feedback"))
        if self.since and self.until and self.since >= self.until:
            raise InvalidFields(("feedback.until", "does not lie after `since`"))
