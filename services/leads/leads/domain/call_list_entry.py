"""A lead's place in a call list: whose turn it is to call, when, and what came of the calls."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from chassis.errors import FailedPrecondition, InvalidFields
from chassis.values import Record

from leads.domain.call_list import CallList, Disposition
from leads.domain.state import CallOutcome

MOST_CALLS = 50  # kept; the interactions are all there
REACHED = frozenset(
    {
        Disposition.INTERESTED,
        Disposition.NOT_INTERESTED,
        Disposition.CALL_BACK,
        Disposition.QUALIFIED,
        Disposition.DO_NOT_CALL,
    }
)
TRY_AGAIN = frozenset({Disposition.NO_ANSWER, Disposition.BUSY, Disposition.VOICEMAIL})
OUTCOMES = {
    Disposition.CALL_BACK: CallOutcome.CALL_BACK,
    Disposition.WRONG_NUMBER: CallOutcome.WRONG_NUMBER,
    **dict.fromkeys(TRY_AGAIN, CallOutcome.NO_ANSWER),
}


class CallNotYours(FailedPrecondition):
    "You were not given this lead to call, or it was given to somebody else since, or you said already what came of it."


class EntryState(Enum):
    WAITING = 1
    DONE = 2
    EXHAUSTED = 3


@dataclass(frozen=True, kw_only=True)
class Call:
    caller: str
    disposition: Disposition
    call_time: datetime
    interaction: str


@dataclass(kw_only=True)
class CallListEntry(Record):
    """A lead in a list. While `lease_until` is ahead it is `caller`'s alone; after it theirs still, until somebody else
    is given it."""

    collection: ClassVar[str] = "callListEntries"

    lead: str
    owner: str = ""
    team: str = ""
    journey_id: str = ""
    state: EntryState = EntryState.WAITING
    call_list: str
    priority: int = 0
    score: float = 0.0
    time_zone: str = ""
    attempts: int = 0
    due_time: datetime | None = None
    promised_by: str = ""
    caller: str = ""
    lease_until: datetime | None = None
    disposition: Disposition = Disposition.DISPOSITION_UNSPECIFIED
    calls: list[Call] = field(default_factory=list)
    reach_time: datetime | None = None

    def require_caller(self, person: str) -> None:
        if self.state is not EntryState.WAITING or self.lease_until is None or self.caller != person:
            raise CallNotYours(name=self.name)

    def record(self, call: Call, back: datetime | None, of: CallList) -> "CallRecorded":
        """What came of a call; `back` is when they want to be called again."""
        self.require_caller(call.caller)
        if (call.disposition is Disposition.CALL_BACK) != (back is not None):
            raise InvalidFields(("call_back_time", "goes together with CALL_BACK"))
        self.calls = [*self.calls, call][-MOST_CALLS:]
        self.disposition, self.lease_until, self.due_time, self.promised_by = call.disposition, None, None, ""
        if call.disposition in REACHED:
            self.attempts, self.reach_time = 0, self.reach_time or call.call_time
        else:
            self.attempts += 1
        if back:
            self.due_time, self.promised_by = back, call.caller
        elif call.disposition not in TRY_AGAIN:
            self.state = EntryState.DONE
        elif self.attempts >= of.most_attempts:
            self.state = EntryState.EXHAUSTED
        else:
            self.due_time = call.call_time + of.pause_after(call.disposition)
        return CallRecorded(call_list_entry=self, event_time=call.call_time)

    def release(self, person: str, until: datetime, at: datetime) -> "CallReleased":
        """Nobody is given it before `until`, unless they are to be called back."""
        self.require_caller(person)
        self.lease_until = None
        if not self.promised_by:
            self.due_time = until
        return CallReleased(call_list_entry=self, event_time=at)


@dataclass(frozen=True, kw_only=True)
class CallRecorded:
    call_list_entry: CallListEntry
    event_time: datetime


@dataclass(frozen=True, kw_only=True)
class CallReleased:
    call_list_entry: CallListEntry
    event_time: datetime
