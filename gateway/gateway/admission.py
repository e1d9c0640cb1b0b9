"""Who is let in: each service has so many places, and no caller may take them all. Who finds none waits for a moment.

A place is held while a service works, not while a body trickles in or an answer is read. Both ports share one
Admission. It looks at a request's head only: refusing must cost next to nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from chassis.errors import CrmError, TooBusy, TooManyAtOnce

from gateway import limits
from gateway.histogram import Histogram
from gateway.limit import ALONE, Limit
from gateway.line import Line, Waiting
from gateway.objectives import CLASSES, class_of


class Refused(Exception):
    """There is no place. `error` says whether this caller has too many (429) or everybody together (503)."""

    def __init__(self, error: CrmError) -> None:
        super().__init__(error.reason)
        self.error = error


# Made once, for they are told thousands of times a second.
CALLER, EVERYBODY = TooManyAtOnce(), TooBusy()


class Shares:
    """Places shared by callers. One caller may hold as many as are free for others (the dynamic threshold that
    Choudhury and Hahne gave packet switches in 1998): half of all if it is alone, a third beside another greedy one;
    k of them leave one place in k + 1 to everybody else.

    `lent`: places come back by themselves, so a caller may have all but one while nobody else holds any. Without it a
    caller decides how long it keeps a place, and half of them are kept for others from the start.
    """

    def __init__(self, most: float, lent: bool = False) -> None:
        self.most, self.lent = most, lent
        self.taken = 0
        self.held: dict[int, int] = {}

    def free(self) -> bool:
        """Whether there is a place for anybody."""
        return self.taken < int(self.most)

    def take(self, caller: int) -> CrmError | None:
        """Takes a place, or says why not."""
        free = int(self.most) - self.taken
        if free <= 0:
            return EVERYBODY
        held = self.held.get(caller, 0)
        if held >= free and not (self.lent and held == self.taken and free > 1):
            return CALLER
        self.held[caller] = held + 1
        self.taken += 1
        return None

    def give_back(self, caller: int) -> None:
        self.taken -= 1
        held = self.held.pop(caller) - 1
        if held:
            self.held[caller] = held


class Lane:
    """The places of one service. One that hangs fills its own lane; the others go on."""

    def __init__(
        self, answered: Mapping[str, Histogram], arriving: Shares, clock: Callable[[], float] = perf_counter
    ) -> None:
        self.limit, self.answered, self.arriving, self.clock = Limit(), answered, arriving, clock
        self.shares = Shares(self.limit.places, lent=True)
        self.line = Line(self._in_turn, self.give_back, self.shares.free)
        self.refused: defaultdict[str, int] = defaultdict(int)

    def enter(self, caller: int) -> "Place":
        """A place for a call; raises Refused."""
        return Place(self, caller, self.take(caller))

    def arrive(self, caller: int, turn: Callable[["Place | Refused"], None]) -> "Place | Waiting":
        """A place for a call; or its place in the line, and `turn` is called when its time has come: within
        WAIT_SECONDS. Raises Refused."""
        quiet = self._take(caller)
        if isinstance(quiet, bool):
            return Place(self, caller, quiet)
        if not self.line.has_room(caller):
            raise self.refusal(quiet)
        return self.line.join(
            caller,
            lambda waited: turn(self.refusal(quiet) if waited is None else Place(self, caller, waited)),
        )

    async def place(self, caller: int) -> "Place":
        """A place for a call, if need be after a moment in the line; raises Refused."""
        return Place(self, caller, await self.turn(caller))

    async def turn(self, caller: int) -> bool:
        """Takes a place, if need be after a moment in the line; whether at most ALONE others had one. Raises
        Refused."""
        quiet = self._take(caller)
        if isinstance(quiet, bool):
            return quiet
        if not self.line.has_room(caller):
            raise self.refusal(quiet)
        waited = await self.line.turn(caller)
        if waited is None:
            raise self.refusal(quiet)
        return waited

    def take(self, caller: int) -> bool:
        """Takes a place now; whether at most ALONE others had one. Raises Refused."""
        quiet = self._take(caller)
        if isinstance(quiet, bool):
            return quiet
        raise self.refusal(quiet)

    def give_back(self, caller: int) -> None:
        self.shares.give_back(caller)
        self.line.advance()

    def refusal(self, error: CrmError) -> Refused:
        self.refused[error.reason] += 1
        return Refused(error)

    def _take(self, caller: int) -> bool | CrmError:
        error = self.shares.take(caller)
        if error is not None or self.shares.taken * 2 > self.shares.most:
            self.limit.pressed()
        return self.shares.taken <= ALONE + 1 if error is None else error

    def _in_turn(self, caller: int) -> bool | None:
        quiet = self._take(caller)
        return quiet if isinstance(quiet, bool) else None


class Place:
    """What one admitted call holds until `leave`, which may be called again without harm."""

    __slots__ = ("_arriving", "_caller", "_held", "_lane", "_quiet", "_since")

    def __init__(self, lane: Lane, caller: int, quiet: bool) -> None:
        self._lane, self._caller, self._quiet = lane, caller, quiet
        self._arriving, self._held, self._since = False, True, lane.clock()

    def pause(self) -> None:
        """Gives the place to others: the caller has not sent everything yet. Raises Refused if too many have not."""
        error = self._lane.arriving.take(self._caller)
        if error is not None:
            raise self._lane.refusal(error)
        self._held, self._arriving = False, True
        self._lane.give_back(self._caller)

    async def resume(self) -> None:
        """Takes it again; the time counts from here. Raises Refused."""
        self._arrived()
        self._quiet = await self._lane.turn(self._caller)
        self._held, self._since = True, self._lane.clock()

    def _arrived(self) -> None:
        if self._arriving:
            self._arriving = False
            self._lane.arriving.give_back(self._caller)

    def leave(self, rpc: str = "", learn: bool = False, answered: bool = True) -> None:
        """`learn`: what it took tells how the service does. A refusal or an error takes less than the work would.
        `answered`: somebody got an answer, so the time counts."""
        self._arrived()
        if not self._held:
            return
        self._held = False
        lane = self._lane
        now = lane.clock()
        if answered:
            lane.answered[class_of(rpc)].observe(now - self._since)
        if learn:
            lane.limit.took(rpc, now - self._since, self._quiet, now)
            lane.shares.most = lane.limit.places
        lane.give_back(self._caller)


class Streams(Shares):
    """Streams of answers, on both ports. They last as long as their callers and their services want."""

    def __init__(self) -> None:
        super().__init__(limits.STREAMS)
        self._calls: set[Any] = set()
        self.stopping = False

    def stop(self) -> None:
        """Ends them all, each with a proper end."""
        self.stopping = True
        for call in self._calls:
            call.cancel()

    @contextmanager
    def place(self, caller: int) -> Iterator[Callable[[Any], Any]]:
        """A place, and what to give the call to a service to: it ends with the block. Raises Refused."""
        if error := self.take(caller):
            raise Refused(error)
        given: list[Any] = []

        def keep(call: Any) -> Any:
            given.append(call)
            self._calls.add(call)
            return call

        try:
            yield keep
        finally:
            for call in given:
                call.cancel()
                self._calls.discard(call)
            self.give_back(caller)


class Admission:
    """All lanes, and the fixed bounds beside them: calls whose request is still arriving, and streams of answers."""

    def __init__(self, services: Iterable[str]) -> None:
        self.answered = {name: Histogram(limits.ANSWERED_BUCKETS) for name in CLASSES}
        self.arriving = Shares(limits.ARRIVING)
        self.lanes = {service: Lane(self.answered, self.arriving) for service in services}
        self.streams = Streams()

    def text(self) -> list[str]:
        """For /metrics."""
        lines = ["# TYPE crm_gateway_admitted_seconds histogram"]
        for name, answered in self.answered.items():
            lines += answered.text("crm_gateway_admitted_seconds", f'class="{name}"')
        lines += ["# TYPE crm_gateway_limit gauge", "# TYPE crm_gateway_places_taken gauge"]
        lines += ["# TYPE crm_gateway_in_line gauge"]
        lines += ["# TYPE crm_gateway_refused_total counter"]
        for service, lane in sorted(self.lanes.items()):
            lines.append(f'crm_gateway_limit{{service="{service}"}} {lane.limit.places:.1f}')
            lines.append(f'crm_gateway_places_taken{{service="{service}"}} {lane.shares.taken}')
            lines.append(f'crm_gateway_in_line{{service="{service}"}} {len(lane.line)}')
            for reason, number in sorted(lane.refused.items()):
                lines.append(f'crm_gateway_refused_total{{service="{service}",reason="{reason}"}} {number}')
        lines.append(f"crm_gateway_arriving {self.arriving.taken}")
        lines.append(f"crm_gateway_streams {self.streams.taken}")
        return lines
