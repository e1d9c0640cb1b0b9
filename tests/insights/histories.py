"""Histories of customers, as the events of six services tell them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.values import id_of, new_id
from crm.contracts.v1 import events_pb2 as contracts
from crm.leads.v1 import events_pb2 as leads
from crm.marketing.v1 import events_pb2 as marketing
from crm.sales.v1 import events_pb2 as sales
from crm.service_desk.v1 import events_pb2 as service_desk
from google.protobuf.message import Message
from harness import Running, arrived

START = datetime(2026, 1, 1, 9, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@dataclass
class Story:
    """One customer from the first touch to the complaint, a day between two steps unless a test says otherwise."""

    owner: str = "users/ana"
    team: str = "teams/north"
    channel: str = "channels/search"
    account: str = field(default_factory=lambda: f"accounts/{new_id()}")
    journey: str = field(default_factory=new_id)
    events: list[Any] = field(default_factory=list)

    @property
    def customer(self) -> str:
        return f"customers/{id_of(self.account)}"

    def tell(self, kind: type[Message], at: float, record: dict[str, Any], version: int = 1, **facts: Any) -> Any:
        """One more event; `record` lacks only what all records of the story share."""
        first = kind.DESCRIPTOR.fields[0]
        shared = {"owner": self.owner, "team": self.team, "journey_id": self.journey, "etag": str(version)}
        shared |= {"create_time": day(at), "update_time": day(at)}
        known = {name: value for name, value in shared.items() if name in first.message_type.fields_by_name}
        event = kind(**{first.name: known | record}, event_time=day(at), **facts)
        trace = f"00-{len(self.events) + 1:032x}-{1:016x}-01"
        self.events.append(arrived(event, version=version, record_time=day(at), traceparent=trace, position=1))
        return self.events[-1]

    def touch(self, at: float = 0) -> "Story":
        self.tell(marketing.TouchRecorded, at, {"name": f"touches/{new_id()}", "channel": self.channel})
        return self

    def lead(self, at: float = 1, convert: bool = True) -> "Story":
        lead = {"name": f"leads/{new_id()}", "display_name": "Ida Lund", "channel": self.channel, "state": "NEW"}
        self.tell(leads.LeadCreated, at, lead)
        self.tell(leads.LeadQualified, at + 1, lead | {"state": "QUALIFIED"}, 2)
        if convert:
            self.tell(leads.LeadConverted, at + 2, lead | {"state": "CONVERTED", "account": self.account}, 3)
        return self

    def merged(self, into: str, at: float = 1, journey: str = "", channel: str = "") -> "Story":
        """Somebody whom the story knows was recorded once more, called, given up, and merged."""
        mine, self.journey = self.journey, journey or new_id()
        lead = {"name": f"leads/{new_id()}", "display_name": "I. Lund", "channel": channel or self.channel}
        self.tell(leads.LeadCreated, at, lead | {"state": "NEW"})
        self.tell(leads.LeadDisqualified, at + 0.1, lead | {"state": "DISQUALIFIED"}, 2)
        gone = lead | {"state": "MERGED", "merged_into": into}
        self.tell(leads.LeadMerged, at + 0.2, gone, 3, journey_id=mine)
        self.journey = mine
        return self

    def added(self, at: float = 3, name: str = "Harbour Bakery") -> "Story":
        account = {"name": self.account, "display_name": name, "channel": self.channel}
        self.tell(sales.AccountCreated, at, account)
        contact = {"name": f"contacts/{new_id()}", "display_name": "Ida Lund", "account": self.account}
        self.tell(sales.ContactCreated, at, contact | {"buying_role": "DECISION_MAKER"})
        return self

    def deal(self, at: float = 3, close: float = 4, state: str = "WON", units: int = 900) -> "Story":
        worth = {"currency_code": "EUR", "units": units}
        deal = {"name": f"opportunities/{new_id()}", "display_name": "Ovens", "account": self.account, "state": "OPEN"}
        deal |= {"channel": self.channel, "amount": worth}
        self.tell(sales.OpportunityCreated, at, deal)
        if state == "WON":
            customer = {"name": self.account, "display_name": "Harbour Bakery", "channel": self.channel}
            self.tell(sales.AccountBecameCustomer, close, customer | {"customer_time": day(close)}, 2)
        if state != "OPEN":
            kind = sales.OpportunityWon if state == "WON" else sales.OpportunityLost
            self.tell(kind, close, deal | {"state": state}, 2)
        return self

    def order(self, at: float = 6, units: int = 100, currency: str = "EUR") -> "Story":
        order = {"name": f"orders/{new_id()}", "account": self.account, "channel": self.channel, "order_number": "7"}
        worth = {"currency_code": currency, "units": units}
        self.tell(sales.OrderRecorded, at, order | {"system": "erp", "amount": worth})
        return self

    def undone(self, at: float = 5) -> "Story":
        """The lead became what it became, with a deal, and that is taken back."""
        lead = {"name": f"leads/{new_id()}", "display_name": "Ida Lund", "channel": self.channel}
        deal = {"name": f"opportunities/{new_id()}", "display_name": "Ovens", "account": self.account, "state": "OPEN"}
        deal |= {"channel": self.channel}
        self.tell(leads.LeadCreated, at, lead | {"state": "NEW"})
        self.tell(sales.OpportunityCreated, at + 0.1, deal)
        self.tell(leads.LeadConverted, at + 0.1, lead | {"state": "CONVERTED", "account": self.account}, 2)
        self.tell(sales.OpportunityArchived, at + 0.2, deal | {"archive_time": day(at + 0.2)}, 2)
        back = lead | {"state": "QUALIFIED"}
        self.tell(leads.LeadConversionUndone, at + 0.2, back, 3, account=self.account, opportunity=deal["name"])
        return self

    def contract(self, at: float = 5) -> "Story":
        contract = {"name": f"contracts/{new_id()}", "number": "C-000001", "account": self.account}
        self.tell(contracts.ContractDrafted, at - 0.5, contract | {"state": "DRAFT"})
        self.tell(contracts.ContractActivated, at, contract | {"state": "ACTIVE", "service_level": "gold"}, 2)
        return self

    def activity(self, at: float = 1) -> "Story":
        activity = {"name": f"activities/{new_id()}", "display_name": "Call", "state": "PLANNED", "kind": "CALL"}
        self.tell(sales.ActivityPlanned, at, activity | {"subject": f"leads/{new_id()}", "due_time": day(at + 2)})
        return self

    def complaint(self, at: float = 7, resolve: bool = False) -> "Story":
        case = {"name": f"cases/{new_id()}", "number": "S-000001", "account": self.account, "type": "complaint"}
        self.tell(service_desk.CaseOpened, at, case | {"state": "NEW"})
        if resolve:
            self.tell(service_desk.CaseResolved, at + 1, case | {"state": "RESOLVED"}, 2)
        return self

    def whole(self) -> "Story":
        return self.touch().lead().activity().added().deal().contract().order().complaint()

    async def told_to(self, insights: Running) -> "Story":
        for event in self.events:
            await insights.process._inbox.apply(event)
        return self
