"""How many calls a service answers well at a time, learned from how long they take. Arithmetic only: no clock, no I/O.

Each call is compared with what the same RPC takes when (nearly) alone: a read of 2 ms and an import of 500 ms then say
the same thing, "1" for undisturbed and "3" for three times as slow. The median of such ratios over a short window moves
the limit, as the gradient in Netflix' concurrency-limits does; see docs/decisions.
"""

from math import sqrt
from statistics import median

# Two always find a place: with less a slow service could not be seen to be fast again.
LEAST = 2.0
# What a quiet service is given: a page that asks for a dozen things at once, and a few people at the same time.
FIRST = 24.0
# Their bodies and answers fit in memory, whatever the service can do.
MOST = 512.0
# How much slower than alone a call may become. Less leaves processors idle between two calls, more is felt by people.
TOLERANCE = 1.6
# A window is judged when it is this old and has this many calls; a median of fewer is chance.
WINDOW_SECONDS = 0.1
WINDOW_CALLS = 8
# The limit falls at once, by half at most, and rises by a fifth of what it could.
STEEPEST = 0.5
SMOOTHING = 0.2
# Calls that had at most so many others of their service beside them tell how long the RPC takes alone.
ALONE = 1
# A new call weighs at least so much in that average: what a growing table does to a query is learned in minutes.
WEIGHT = 0.05
# Ratios above are equally bad; a hanging service shall not need to be understood more exactly.
WORST = 8.0


class Limit:
    """The number of places, moved by what calls take. `now` and `seconds` are of any one clock, in seconds."""

    def __init__(self) -> None:
        self.places = FIRST
        self._alone: dict[str, tuple[int, float]] = {}  # RPC → calls seen alone, what they took
        self._ratios: list[float] = []
        self._unknown = 0
        self._pressed = False
        self._opened = 0.0

    def pressed(self) -> None:
        """Told when more was wanted than half the places; a limit that nobody reaches is neither good nor bad."""
        self._pressed = True

    def took(self, rpc: str, seconds: float, alone: bool, now: float) -> None:
        """One call that was answered; `alone`: at most ALONE others were under way during it."""
        seen, usual = self._alone.get(rpc, (0, seconds))
        if alone or (seen and seconds < usual):
            usual += max(WEIGHT, 1 / (seen + 1)) * (seconds - usual)
            self._alone[rpc] = (seen + 1, usual)
        if seen or alone:
            self._ratios.append(min(seconds / max(usual, 1e-6), WORST))
        else:
            self._unknown += 1
        if now - self._opened >= WINDOW_SECONDS and len(self._ratios) + self._unknown >= WINDOW_CALLS:
            self._judge()
            self._opened = now

    def _judge(self) -> None:
        """Moves the limit by one window. RPCs never seen alone count as slow while places are short: fewer at a time,
        and they will be."""
        known = len(self._ratios) >= self._unknown
        gradient = max(STEEPEST, min(1.0, TOLERANCE / median(self._ratios))) if known else STEEPEST
        room = self.places * gradient + sqrt(self.places)
        if self._pressed and room < self.places:
            self.places = max(room, LEAST)
        elif self._pressed and known:
            self.places = min(self.places + SMOOTHING * (room - self.places), MOST)
        elif not self._pressed and gradient == 1.0 and self.places < FIRST:
            self.places = min(self.places + SMOOTHING * FIRST, FIRST)
        self._ratios.clear()
        self._unknown, self._pressed = 0, False
