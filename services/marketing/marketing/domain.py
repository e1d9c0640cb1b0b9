"""Marketing: the channels and pages customers come by, what they cost and what they bring."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import ExternalId, Money, Record, new_id

CENT = Decimal("0.01")


class SuppressionLiftedAlready(FailedPrecondition):
    "The address may be written to already."


@dataclass(kw_only=True)
class Channel(Record):
    """A way by which customers find us."""

    collection: ClassVar[str] = "channels"

    display_name: str
    kind: str = ""
    external_ids: list[ExternalId] = field(default_factory=list)


@dataclass(kw_only=True)
class LandingPage(Record):
    """A page visitors arrive at. It has no channel: one page serves many, so the touch names both."""

    collection: ClassVar[str] = "landingPages"

    display_name: str
    url: str = ""
    external_ids: list[ExternalId] = field(default_factory=list)


@dataclass(kw_only=True)
class SpendEntry(Record):
    """Money spent on a channel on a day. An entry below zero corrects an earlier one: none is ever changed."""

    collection: ClassVar[str] = "spendEntries"

    channel: str
    spend_date: date
    amount: Money
    note: str = ""
    external_ids: list[ExternalId] = field(default_factory=list)

    def record(self, now: datetime) -> "SpendRecorded":
        if self.spend_date > (now + timedelta(days=1)).date():
            raise InvalidFields(("spend_entry.spend_date", "lies more than a day in the future"))
        return SpendRecorded(spend_entry=self, event_time=datetime.combine(self.spend_date, time.min, UTC))


@dataclass(kw_only=True)
class Touch(Record):
    """A contact of a possible customer with us. The first record of a journey mints its id."""

    collection: ClassVar[str] = "touches"

    journey_id: str = field(default_factory=new_id)
    channel: str = ""
    landing_page: str = ""
    url: str = ""
    referrer: str = ""
    touch_time: datetime
    parameters: dict[str, str] = field(default_factory=dict)
    external_ids: list[ExternalId] = field(default_factory=list)


class SuppressionReason(Enum):
    UNSUBSCRIBED = 1
    COMPLAINT = 2
    BOUNCED = 3
    ERASED = 4
    MANUAL = 5


@dataclass(kw_only=True)
class Suppression(Record):
    """An address nobody writes to, as a keyed hash: the list names nobody and survives erasures."""

    collection: ClassVar[str] = "suppressions"

    reason: SuppressionReason = SuppressionReason.MANUAL
    lift_time: datetime | None = None

    def suppress(self, reason: SuppressionReason, at: datetime) -> "list[AddressSuppressed]":
        """One event, or none if it holds already: the first reason stays."""
        if self.version and not self.lift_time:
            return []
        self.reason, self.lift_time = reason, None
        return [AddressSuppressed(suppression=self, event_time=at)]

    def lift(self, at: datetime) -> "SuppressionLifted":
        if self.lift_time:
            raise SuppressionLiftedAlready(suppression=self.name)
        self.lift_time = at
        return SuppressionLifted(suppression=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class TouchBatch:
    """The answer to many touches at once: all of them as they stand, and how many are new."""

    touches: list[Touch]
    created_count: int


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """What one channel spent or earned in one currency, and in how many entries."""

    channel: str
    currency: str
    spend: Decimal = Decimal(0)
    revenue: Decimal = Decimal(0)
    entries: int


@dataclass(frozen=True, kw_only=True)
class Performance:
    """What one channel cost and brought, in one currency. `cac` is empty without customers."""

    channel: str
    display_name: str
    leads: int
    customers: int
    revenue: str
    spend: str
    cac: str
    currency: str


def performance(
    leads: Mapping[str, int],
    customers: Mapping[str, int],
    amounts: Iterable[Amounts],
    display_names: Mapping[str, str],
) -> list[Performance]:
    """One line per channel that cost or brought something, most leads first.

    Amounts of different currencies are never added up: a channel's line is in the currency of most of its entries,
    in that of most entries of all channels where it has none.
    """
    by_channel: defaultdict[str, list[Amounts]] = defaultdict(list)
    overall: Counter[str] = Counter()
    for item in amounts:
        by_channel[item.channel].append(item)
        overall[item.currency] += item.entries
    usual = _most(overall)
    lines = []
    for channel in {*leads, *customers, *by_channel}:
        currency = _most(Counter({item.currency: item.entries for item in by_channel[channel]})) or usual
        same = [item for item in by_channel[channel] if item.currency == currency]
        spend = sum((item.spend for item in same), Decimal(0))
        won = customers.get(channel, 0)
        lines.append(
            Performance(
                channel=channel,
                display_name=display_names.get(channel) or channel.removeprefix("channels/"),
                leads=leads.get(channel, 0),
                customers=won,
                revenue=_cents(sum((item.revenue for item in same), Decimal(0))),
                spend=_cents(spend),
                cac=acquisition_cost(spend, won),
                currency=currency,
            )
        )
    return sorted(lines, key=lambda line: (-line.leads, line.channel))


def acquisition_cost(spend: Decimal, customers: int) -> str:
    """CAC: spend by customers won, two decimals, halves to even (ROUND_HALF_EVEN); empty without customers."""
    return _cents(spend / customers) if customers else ""


def _cents(amount: Decimal) -> str:
    return str(amount.quantize(CENT, ROUND_HALF_EVEN))


def _most(entries: Counter[str]) -> str:
    """The currency of most entries, the first by name of several; empty if there is none."""
    return min(entries, key=lambda currency: (-entries[currency], currency), default="")


@dataclass(frozen=True, kw_only=True)
class ChannelCreated:
    channel: Channel
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class ChannelUpdated:
    channel: Channel
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LandingPageCreated:
    landing_page: LandingPage
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class LandingPageUpdated:
    landing_page: LandingPage
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class SpendRecorded:
    spend_entry: SpendEntry
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class TouchRecorded:
    touch: Touch
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class AddressSuppressed:
    suppression: Suppression
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class SuppressionLifted:
    suppression: Suppression
    event_time: datetime
