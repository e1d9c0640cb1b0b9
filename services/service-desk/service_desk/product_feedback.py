"""Product feedback: what people say of products when they talk to the service desk."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.values import Record


class FeedbackKind(Enum):
    WISH = 1
    DEFECT = 2
    PRAISE = 3
    COMPETITOR = 4


@dataclass(kw_only=True)
class ProductFeedback(Record):
    """What somebody said of a product; `owner` is who wrote it down."""

    collection: ClassVar[str] = "productFeedbacks"

    display_name: str = ""
    owner: str = ""
    team: str = ""
    journey_id: str = ""
    account: str = ""
    contact: str = ""
    case: str = ""
    product: str
    kind: FeedbackKind
    text: str
    feedback_time: datetime | None = None
    email: str = ""
    phone: str = ""
    lead_wanted: bool = False

    def normalise(self) -> None:
        """Addresses are compared in lower case."""
        self.email = self.email.lower()

    @property
    def names_somebody(self) -> bool:
        """Whether it says itself who they are."""
        return bool(self.display_name.strip() or self.email or self.phone)

    @property
    def came_from_somebody(self) -> bool:
        return bool(self.account or self.contact or self.names_somebody)


@dataclass(frozen=True, kw_only=True)
class ProductFeedbackCreated:
    product_feedback: ProductFeedback
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ProductFeedbackUpdated:
    product_feedback: ProductFeedback
    fields: list[str]
    event_time: datetime
