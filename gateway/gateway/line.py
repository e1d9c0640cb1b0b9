"""The line at the door of one service: calls that found no place wait for a moment, as long as a refusal still comes in
time. A dozen calls at once from one application are then served one after the other instead of being sent away.

Whoever waits costs an entry and no task: under overload most of them wait in vain.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

# Who is refused after it is refused within 100 ms.
WAIT_SECONDS = 0.05
# Longer, and those at its end would wait in vain: a service that answers 600 a second gets through it in time.
LONGEST = 32
# One caller may fill this much of it; somebody new always finds room behind.
MOST_OF_ONE = 24


@dataclass(frozen=True, eq=False)
class Waiting:
    """A call in the line until `until` of the loop's clock. `turn` is called once: with whether at most ALONE others
    had a place when it was given one, or with None: it waited in vain."""

    caller: int
    until: float
    turn: Callable[[bool | None], None]


class Line:
    """First come, first served, but for those whose caller holds its share already."""

    def __init__(
        self, take: Callable[[int], bool | None], give_back: Callable[[int], None], free: Callable[[], bool]
    ) -> None:
        """`take` takes a place for a caller; None: there is none for it. `free`: whether there is one for anybody."""
        self._take, self._give_back, self._free = take, give_back, free
        self._waiting: deque[Waiting] = deque()
        self._of: Counter[int] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def has_room(self, caller: int) -> bool:
        return len(self._waiting) < LONGEST and self._of[caller] < MOST_OF_ONE

    def join(self, caller: int, turn: Callable[[bool | None], None]) -> Waiting:
        """Waits behind the others, for WAIT_SECONDS at most."""
        loop = asyncio.get_running_loop()
        waiting = Waiting(caller, loop.time() + WAIT_SECONDS, turn)
        self._waiting.append(waiting)
        self._of[caller] += 1
        if self._timer is None:
            self._timer = loop.call_at(waiting.until, self._expire)
        return waiting

    def leave(self, waiting: Waiting) -> None:
        """The caller has gone away; `turn` is not called any more."""
        if waiting in self._waiting:
            self._remove(waiting)

    async def turn(self, caller: int) -> bool | None:
        """Waits in the line: what `Waiting.turn` is told. Whoever is cancelled meanwhile leaves nothing behind."""
        told: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        waiting = self.join(caller, told.set_result)
        try:
            return await asyncio.shield(told)
        except asyncio.CancelledError:
            self.leave(waiting)
            if told.done() and told.result() is not None:  # it left in the moment of its turn
                self._give_back(caller)
            raise

    def advance(self) -> None:
        """Places became free: they go to whoever has waited longest and may have one."""
        for waiting in list(self._waiting):
            if not self._free():
                return
            quiet = self._take(waiting.caller)
            if quiet is not None:
                self._remove(waiting)
                waiting.turn(quiet)

    def _expire(self) -> None:
        """Tells those whose time is up, and sets the timer for the next."""
        loop = asyncio.get_running_loop()
        while self._waiting and self._waiting[0].until <= loop.time():
            waiting = self._waiting[0]
            self._remove(waiting)
            waiting.turn(None)
        if self._waiting:
            self._timer = loop.call_at(self._waiting[0].until, self._expire)

    def _remove(self, waiting: Waiting) -> None:
        self._waiting.remove(waiting)
        self._of[waiting.caller] -= 1
        if not self._of[waiting.caller]:
            del self._of[waiting.caller]
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None
