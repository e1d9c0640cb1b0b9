"""How many calls a service answers well at a time, learned from how long they take. Arithmetic only: no clock, no I/O.

Each call is compared with what the same RPC takes when (nearly) alone: a read of 2 ms and an import of 500 ms then say
the same thing, "1" for undisturbed and "3" for three times as slow. The median of such ratios over a short window moves
the limit, as the gradient in Netflix' concurrency-limits does; see docs/decisions.
"""

from math import sqrt
from statistics import median

# Two always find a place: with less a slow service could not be seen to be fast again.
LEAST = 2.0
# What a quiet service is given: two pages that each ask for half a dozen things at once. Until a sudden overload is
# noticed, so many are let in: more would make the first of them slow.
FIRST = 16.0
# Their bodies and answers fit in memory, whatever the service can do.
MOST = 512.0
# How much slower than alone a call may become. Less leaves processors idle between two calls, more is felt by people.
TOLERANCE = 1.6
# A window is judged when it is this old and has this many calls; a median of fewer is chance.
WINDOW_SECONDS = 0.05
WINDOW_CALLS = 8
# The limit falls at once, by half at most, and rises by a fifth of what it could.
STEEPEST = 0.5
SMOOTHING = 0.2
# Calls that had at most so many others of their service beside them tell how long the RPC takes alone.
ALONE = 1
# A few calls alone may have been odd ones; from so many on, an RPC is known.
KNOWN = 32
# What is known of an RPC moves by so much per call seen alone: what a growing table does to it is learned in minutes.
WEIGHT = 0.03
# At LEAST it moves by more: what is known is probably wrong there.
DOUBT = 0.1
# After so many windows in which even LEAST were too many, what is known is wrong, and is learned anew.
WRONG_WINDOWS = 3
# Ratios above are equally bad; a hanging service shall not need to be understood more exactly.
WORST = 8.0


class Limit:
    """The number of places, moved by what calls take. `now` and `seconds` are of any one clock, in seconds."""

    def __init__(self) -> None:
        self.places = FIRST
        self._alone: dict[str, tuple[int, float]] = {}  # RPC → calls seen alone, their median
        self._ratios: list[float] = []
        self._unknown = self._wrong = 0
        self._pressed = self._was_pressed = False
        self._opened = 0.0

    def pressed(self) -> None:
        """Told when more was wanted than half the places; a limit that nobody reaches is neither good nor bad."""
        self._pressed = True

    def took(self, rpc: str, seconds: float, alone: bool, now: float) -> None:
        """One call that was answered; `alone`: at most ALONE others were under way when it came. Not whether
        others came later: only short calls would be alone then, and an RPC would look faster than it is."""
        seen, usual = self._alone.get(rpc, (0, seconds))
        # Under load others do come at once. Where at most two are let in, nobody can.
        bottom = self.places <= LEAST
        if alone and (bottom or not (self._pressed or self._was_pressed)):
            # Towards the median, a step up or down at a time: a mean would follow the few slow ones.
            usual *= 1 + max(DOUBT if bottom else WEIGHT, 1 / (seen + 2)) * ((seconds > usual) - (seconds < usual))
            self._alone[rpc] = (seen + 1, usual)
            seen += 1
        if seen >= KNOWN:
            self._ratios.append(min(seconds / max(usual, 1e-6), WORST))
        else:
            self._unknown += 1
        if now - self._opened >= WINDOW_SECONDS and len(self._ratios) + self._unknown >= WINDOW_CALLS:
            self._judge()
            self._opened = now

    def _judge(self) -> None:
        """Moves the limit by one window."""
        too_many = False
        if self._unknown > len(self._ratios):
            # Mostly RPCs that are not known yet: if places are short, let in so few that they are.
            self.places = LEAST if self._pressed else self.places
        else:
            gradient = max(STEEPEST, min(1.0, TOLERANCE / median(self._ratios)))
            too_many = gradient < 1.0
            # The square root is what may wait, as in Gradient2; nothing may where everything waits already.
            room = self.places * gradient + (sqrt(self.places) if gradient > STEEPEST else 0.0)
            if not self._pressed:
                room = FIRST if gradient == 1.0 else self.places
                room = max(room, self.places)
            rises = room > self.places
            self.places += (SMOOTHING if rises else 1.0) * (room - self.places)
        self.places = max(LEAST, min(self.places, MOST))
        self._wrong = self._wrong + 1 if too_many and self.places == LEAST else 0
        if self._wrong == WRONG_WINDOWS:
            # To the end, before the limit rises again: half corrected, it would call the usual too slow for good.
            self._alone = {rpc: (0, usual) for rpc, (_, usual) in self._alone.items()}
        self._ratios.clear()
        self._unknown, self._was_pressed, self._pressed = 0, self._pressed, False
