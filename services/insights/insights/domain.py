"""Insights: how far a customer has come, how long each step took, and what channels bring."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import ClassVar

from chassis.values import Record

CENT = Decimal("0.01")


@dataclass(kw_only=True)
class Customer(Record):
    """An account as sales last told of it. Its id is the account's."""

    collection: ClassVar[str] = "customers"

    epoch: str
    display_name: str
    owner: str
    team: str
    journey_id: str
    lead: str
    channel: str
    customer_time: datetime | None
    archive_time: datetime | None

    @property
    def account(self) -> str:
        return f"accounts/{self.id}"


class Stage(Enum):
    """How far a journey has come, in the order in which it usually happens. LOST stands outside of that order."""

    TOUCHED = 1
    LEAD = 2
    QUALIFIED = 3
    OPPORTUNITY = 4
    CUSTOMER = 5
    CONTRACT = 6
    ORDERED = 7
    CASE = 8
    LOST = 9


# The event that enters each stage.
STAGE_OF = {
    "crm.marketing.v1.TouchRecorded": Stage.TOUCHED,
    "crm.leads.v1.LeadCreated": Stage.LEAD,
    "crm.leads.v1.LeadQualified": Stage.QUALIFIED,
    "crm.leads.v1.LeadDisqualified": Stage.LOST,
    "crm.sales.v1.OpportunityCreated": Stage.OPPORTUNITY,
    "crm.sales.v1.OpportunityRestored": Stage.OPPORTUNITY,
    "crm.sales.v1.OpportunityWon": Stage.CUSTOMER,
    "crm.sales.v1.OpportunityLost": Stage.LOST,
    "crm.sales.v1.OrderRecorded": Stage.ORDERED,
    "crm.contracts.v1.ContractActivated": Stage.CONTRACT,
    "crm.service_desk.v1.CaseOpened": Stage.CASE,
}

# What an event entered, and what takes it back when it happens to the same record later.
TAKEN_BACK_BY = (
    ("crm.leads.v1.LeadDisqualified", "crm.leads.v1.LeadReopened"),
    ("crm.leads.v1.LeadDisqualified", "crm.leads.v1.LeadMerged"),
    ("crm.sales.v1.OpportunityCreated", "crm.sales.v1.OpportunityArchived"),
    ("crm.sales.v1.OpportunityRestored", "crm.sales.v1.OpportunityArchived"),
)


@dataclass(frozen=True, kw_only=True)
class Entering:
    """A stage entered: when in business time, by which record, in which trace."""

    stage: Stage
    enter_time: datetime
    subject: str = ""
    trace_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """The first entering of a stage and the wait since the stage before; None for the first stage."""

    entering: Entering
    wait: timedelta | None

    @property
    def out_of_order(self) -> bool:
        """Real data holds wins before first contacts: such a wait is negative, kept and flagged."""
        return self.wait is not None and self.wait < timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Journey:
    """One path of a customer: its stages in business-time order."""

    journey_id: str
    visits: list[Visit]

    @property
    def stage(self) -> Stage | None:
        """The furthest stage; LOST if it was lost before anything was bought. None if no stage was entered."""
        entered = {visit.entering.stage for visit in self.visits}
        furthest = max(entered - {Stage.LOST}, key=_order, default=None)
        if Stage.LOST in entered and (furthest is None or _order(furthest) < _order(Stage.CUSTOMER)):
            return Stage.LOST
        return furthest

    @property
    def duration(self) -> timedelta:
        times = [visit.entering.enter_time for visit in self.visits]
        return max(times) - min(times) if times else timedelta(0)

    @property
    def out_of_order(self) -> bool:
        return any(visit.out_of_order for visit in self.visits)

    @property
    def bottleneck(self) -> Stage | None:
        """The stage before which the wait was longest; None if there was no wait at all."""
        waits = [(visit.wait, visit.entering.stage) for visit in self.visits if visit.wait and not visit.out_of_order]
        return max(waits, key=lambda item: item[0])[1] if waits else None

    @property
    def trace_ids(self) -> list[str]:
        return list(dict.fromkeys(visit.entering.trace_id for visit in self.visits if visit.entering.trace_id))


def journey(journey_id: str, entered: Iterable[Entering]) -> Journey:
    """The journey of these enterings, in any order; of several enterings of one stage the first in business time.

    A wait is counted from the stage before in the usual order of stages. LOST may follow any stage: its wait is
    counted from the one entered last before it.
    """
    first: dict[Stage, Entering] = {}
    for entering in sorted(entered, key=lambda item: (item.enter_time, item.subject, item.trace_id)):
        first.setdefault(entering.stage, entering)
    lost = first.pop(Stage.LOST, None)
    in_order = sorted(first.values(), key=lambda item: _order(item.stage))
    visits = [
        Visit(entering=entering, wait=entering.enter_time - in_order[number - 1].enter_time if number else None)
        for number, entering in enumerate(in_order)
    ]
    if lost:
        before = [item.enter_time for item in in_order if item.enter_time <= lost.enter_time]
        visits.append(Visit(entering=lost, wait=lost.enter_time - max(before) if before else None))
    visits.sort(key=lambda visit: (visit.entering.enter_time, _order(visit.entering.stage)))
    return Journey(journey_id=journey_id, visits=visits)


def in_time_order(journeys: Iterable[Journey]) -> list[Journey]:
    """Oldest first; those that entered no stage yet come last."""
    return sorted(
        journeys, key=lambda item: (not item.visits, [v.entering.enter_time for v in item.visits[:1]], item.journey_id)
    )


def _order(stage: Stage) -> int:
    return stage.value


@dataclass(frozen=True, kw_only=True)
class Revenue:
    """What orders in one currency are worth, and how many they are."""

    currency: str
    amount: Decimal
    orders: int


@dataclass(frozen=True, kw_only=True)
class RevenueLine:
    """Revenue in the currency of most orders, and beside it what was ordered in others. Never added up."""

    revenue: str
    currency: str
    other_revenue: list[tuple[str, str]]  # (amount, currency)


def revenue_line(parts: Iterable[Revenue], usual_currency: str = "") -> RevenueLine:
    """Amounts have two decimals (ROUND_HALF_EVEN). Without orders: 0.00 in the usual currency."""
    ordered = sorted(parts, key=lambda part: (-part.orders, part.currency))
    if not ordered:
        return RevenueLine(revenue="0.00", currency=usual_currency, other_revenue=[])
    main, *others = ordered
    return RevenueLine(
        revenue=cents(main.amount),
        currency=main.currency,
        other_revenue=[(cents(part.amount), part.currency) for part in others],
    )


@dataclass(frozen=True, kw_only=True)
class ChannelLine:
    """What one channel brought."""

    name: str
    channel: str
    leads: int
    customers: int
    revenue: RevenueLine

    @property
    def conversion(self) -> float:
        """Customers by leads, 0 to 1: a channel may have won accounts that never were leads."""
        return min(self.customers / self.leads, 1.0) if self.leads else 0.0


def channel_lines(
    leads: Mapping[str, int],
    customers: Mapping[str, int],
    revenue: Mapping[str, list[Revenue]],
    display_names: Mapping[str, str],
) -> list[ChannelLine]:
    """One line per channel (by resource name) that brought a lead, a customer or an order; most leads first."""
    orders = Counter[str]()
    for part in (part for parts in revenue.values() for part in parts):
        orders[part.currency] += part.orders
    usual = min(orders, key=lambda currency: (-orders[currency], currency), default="")
    lines = [
        ChannelLine(
            name=name,
            channel=display_names.get(name) or name.removeprefix("channels/"),
            leads=leads.get(name, 0),
            customers=customers.get(name, 0),
            revenue=revenue_line(revenue.get(name, []), usual),
        )
        for name in {*leads, *customers, *revenue}
    ]
    return sorted(lines, key=lambda line: (-line.leads, line.channel, line.name))


def cents(amount: Decimal) -> str:
    return str(amount.quantize(CENT, ROUND_HALF_EVEN))
