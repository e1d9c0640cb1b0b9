"""How many records each caller reads: who reads far more than work needs is noticed, then stopped.

Counted per process over a rolling hour, in memory: a caller that is served by several replicas, or by one that was
started anew, may read that many times more before the alarm. Writing each read down would cost more than it tells.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from time import monotonic

from google.api import httpbody_pb2
from google.protobuf.message import Message

from chassis.audit import Audit
from chassis.errors import ResourceExhausted
from chassis.identity import Caller
from chassis.settings import Settings
from chassis.telemetry import log

HOUR, SLICE_SECONDS = 3600, 60
MOST_CALLERS = 100_000  # then the counts begin again: an attacker cannot fill the memory with names
READS = ("Get", "List", "Rank", "Export", "Watch")


class TooMuchRead(ResourceExhausted):
    """You have read more records within an hour than people do who work with them one by one. Ask somebody who may
    export, or wait."""


@dataclass
class Reader:
    """What one caller read: (minute, records) pairs of the last hour, and when the last alarm was."""

    slices: deque[tuple[int, int]] = field(default_factory=deque)
    total: int = 0
    alarmed: float = float("-inf")

    def add(self, records: int, now: float) -> None:
        minute = int(now // SLICE_SECONDS)
        if self.slices and self.slices[-1][0] == minute:
            self.slices[-1] = (minute, self.slices[-1][1] + records)
        else:
            self.slices.append((minute, records))
        self.total += records

    def within_an_hour(self, now: float) -> int:
        while self.slices and self.slices[0][0] <= (now - HOUR) // SLICE_SECONDS:
            self.total -= self.slices.popleft()[1]
        return self.total


class Volume:
    """Watches over what is read through one process."""

    def __init__(self, settings: Settings, audit: Audit) -> None:
        self._settings, self._audit = settings, audit
        self._readers: defaultdict[str, Reader] = defaultdict(Reader)
        self.alarms = 0

    def check(self, caller: Caller, method: str, permission: str) -> None:
        """TooMuchRead if the caller has read beyond the limit and may not export what this method reads."""
        name = method.rpartition("/")[2]
        if not name.startswith(READS) or caller.name not in self._readers:
            return
        read = self._readers[caller.name].within_an_hour(monotonic())
        if read >= self._limit(caller) and not caller.may(f"{permission.partition('.')[0]}.export"):
            raise TooMuchRead(records=read)

    def took(self, caller: Caller, method: str, records: int) -> None:
        """Counts the records of an answer; beyond the bound it leaves an audit entry, a warning and a count, once an
        hour for each caller."""
        if not records or caller.name.startswith("services/"):  # the suite itself
            return
        if len(self._readers) >= MOST_CALLERS:
            self._readers.clear()
        now, reader = monotonic(), self._readers[caller.name]
        reader.add(records, now)
        read = reader.within_an_hour(now)
        if read > self._bound(caller) and now - reader.alarmed > HOUR:
            reader.alarmed = now
            self.alarms += 1
            details = {"records": read, "bound": self._bound(caller), "seconds": HOUR}
            self._audit.note("VOLUME_ALARM", caller, method, details)
            log.warning("%s has read %d records within an hour", caller.name, read, extra={"fields": details})

    def _bound(self, caller: Caller) -> int:
        return self._settings.system_read_alarm if _system(caller) else self._settings.read_alarm

    def _limit(self, caller: Caller) -> int:
        return self._settings.system_read_limit if _system(caller) else self._settings.read_limit


def _system(caller: Caller) -> bool:
    return caller.name.startswith("serviceAccounts/")


def records_in(method: str, answer: Message) -> int:
    """How many records an answer to a read shows: those it lists, else the one it is."""
    if not method.rpartition("/")[2].startswith(READS):
        return 0
    listed = next((item for item in answer.DESCRIPTOR.fields if _lists(item)), None)
    if listed is None or isinstance(answer, httpbody_pb2.HttpBody) or "name" in answer.DESCRIPTOR.fields_by_name:
        return 1
    return len(getattr(answer, listed.name))


def _lists(item: object) -> bool:
    return bool(item.is_repeated and item.message_type and not item.message_type.GetOptions().map_entry)  # type: ignore[attr-defined]
