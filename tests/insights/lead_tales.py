"""What becomes of one lead, as its events tell it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chassis.values import new_id
from crm.leads.v1 import events_pb2 as leads
from harness import Running, arrived
from histories import day


@dataclass
class Tale:
    """A lead from its first contact on day `born`; each verb happens, and is recorded, on the day that it is given."""

    channel: str = "channels/search"
    owner: str = "users/ana"
    team: str = "teams/north"
    born: float = 0
    name: str = field(default_factory=lambda: f"leads/{new_id()}")
    events: list[Any] = field(default_factory=list)
    lead: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lead = {"name": self.name, "channel": self.channel, "state": "NEW", "contact_time": day(self.born)}
        self.lead |= {"owner": self.owner, "team": self.team, "create_time": day(self.born)}
        self.tell(leads.LeadCreated, self.born)

    def tell(self, kind: Any, at: float, recorded: float | None = None, **changes: Any) -> "Tale":
        self.lead |= changes
        version = len(self.events) + 1
        event = kind(lead=self.lead | {"etag": str(version)}, event_time=day(at))
        record_time: datetime = day(at if recorded is None else recorded)
        self.events.append(arrived(event, version=version, record_time=record_time, position=1))
        return self

    def assigned(self, at: float, owner: str = "users/ana", team: str = "teams/north") -> "Tale":
        given = {"owner": owner, "team": team, "assign_time": day(at)}
        given |= {"mql_time": self.lead.get("mql_time", day(at)), "state": "ASSIGNED"}
        return self.tell(leads.LeadAssigned, at, **given)

    def accepted(self, at: float) -> "Tale":
        return self.tell(leads.LeadAccepted, at, state="WORKING", sal_time=self.lead.get("sal_time", day(at)))

    def called(self, at: float) -> "Tale":
        touched = {"last_call_time": day(at), "last_outbound_time": day(at), "state": "WORKING"}
        return self.tell(leads.LeadCalled, at, **touched, sal_time=self.lead.get("sal_time", day(at)))

    def given_back(self, at: float) -> "Tale":
        self.lead.pop("assign_time", None)
        return self.tell(leads.LeadRejected, at, owner="", state="NEW")

    def qualified(self, at: float) -> "Tale":
        return self.tell(leads.LeadQualified, at, state="QUALIFIED", sql_time=self.lead.get("sql_time", day(at)))

    def converted(self, at: float) -> "Tale":
        return self.tell(leads.LeadConverted, at, state="CONVERTED", close_time=day(at))

    def taken_back(self, at: float) -> "Tale":
        """The conversion is undone: the lead is qualified again."""
        self.lead.pop("close_time", None)
        return self.tell(leads.LeadConversionUndone, at, state="QUALIFIED")

    def lost(self, at: float, reason: str = "no_budget") -> "Tale":
        return self.tell(leads.LeadDisqualified, at, state="DISQUALIFIED", disqualify_reason=reason, close_time=day(at))

    def reopened(self, at: float) -> "Tale":
        self.lead.pop("close_time", None)
        return self.tell(leads.LeadReopened, at, state="ASSIGNED", disqualify_reason="")

    def merged(self, at: float) -> "Tale":
        return self.tell(leads.LeadUpdated, at, state="MERGED", merged_into=f"leads/{new_id()}")

    def captured(self, at: float, campaign: str) -> "Tale":
        capture = {"name": f"captures/{new_id()}", "lead": self.name, "campaign": {"campaign": campaign}}
        event = leads.LeadCaptured(capture=capture, event_time=day(at))
        self.events.append(arrived(event, record_time=day(at), position=1))
        return self

    async def told_to(self, insights: Running) -> "Tale":
        for event in self.events:
            await insights.process._inbox.apply(event)
        return self
