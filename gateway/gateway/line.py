"""The line at the door of one service: calls that found no place wait for a moment, as long as a refusal still comes in
time. A dozen calls at once from one application are then served one after the other instead of being sent away.
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


@dataclass(frozen=True)
class Waiting:
    """A call in the line; `turn` is set when its caller was given a place: whether at most ALONE others had one."""

    caller: int
    turn: asyncio.Future[bool]


class Line:
    """First come, first served, but for those whose caller holds its share already."""

    def __init__(self, take: Callable[[int], bool | None], give_back: Callable[[int], None]) -> None:
        """`take` takes a place for a caller; None: there is none for it."""
        self._take, self._give_back = take, give_back
        self._waiting: deque[Waiting] = deque()
        self._of: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._waiting)

    def has_room(self, caller: int) -> bool:
        return len(self._waiting) < LONGEST and self._of[caller] < MOST_OF_ONE

    async def turn(self, caller: int) -> bool | None:
        """Waits until `take` gave a place: its answer. None if it did not in WAIT_SECONDS. Whoever leaves meanwhile
        leaves nothing behind."""
        waiting = Waiting(caller, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._of[caller] += 1
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await asyncio.shield(waiting.turn)
        except TimeoutError:
            return waiting.turn.result() if waiting.turn.done() else None
        except asyncio.CancelledError:
            if waiting.turn.done():  # it left in the moment of its turn
                self._give_back(caller)
            raise
        finally:
            self._of[caller] -= 1
            if not self._of[caller]:
                del self._of[caller]
            if not waiting.turn.done():
                waiting.turn.cancel()
                self._waiting.remove(waiting)

    def advance(self) -> None:
        """Places became free: they go to whoever has waited longest and may have one."""
        for waiting in list(self._waiting):
            quiet = self._take(waiting.caller)
            if quiet is not None:
                self._waiting.remove(waiting)
                waiting.turn.set_result(quiet)
