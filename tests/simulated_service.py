"""A service that exists only as arithmetic: some processors, a queue before them, callers that come at random."""

import heapq
import random
from collections import Counter
from dataclasses import dataclass, field

from gateway.admission import Lane, Place, Refused, Shares
from gateway.histogram import Histogram
from gateway.objectives import CLASSES


@dataclass
class Simulation:
    """A lane before a simulated service. A call takes an exponential time of `seconds[rpc]` in the mean, on one of
    `processors`."""

    processors: int
    seconds: dict[str, float]
    seed: int
    now: float = 0.0
    took: list[float] = field(default_factory=list)
    answered: Counter[int] = field(default_factory=Counter)
    refused: Counter[tuple[int, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.lane = Lane(dict.fromkeys(CLASSES, Histogram([1.0])), Shares(64), clock=lambda: self.now)
        self._free = [0.0] * self.processors
        self._ends: list[tuple[float, int, Place, str, int, float]] = []
        self._count = 0

    @property
    def capacity(self) -> float:
        """Calls per second, if all RPCs are called alike."""
        return self.processors * len(self.seconds) / sum(self.seconds.values())

    def run(self, length: float, rates: dict[int, float]) -> "Simulation":
        """Callers come for `length` seconds, each with its rate; counts begin anew."""
        self.took, self.answered, self.refused = [], Counter(), Counter()
        total, end = sum(rates.values()), self.now + length
        arrival = self.now + self.chance.expovariate(total)
        while arrival < end:
            self._finish(arrival)
            self.now = arrival
            self._arrive(self.chance.choices([*rates], [*rates.values()])[0])
            arrival += self.chance.expovariate(total)
        self._finish(end)
        self.now = end
        return self

    def _arrive(self, caller: int) -> None:
        try:
            place = self.lane.enter(caller)
        except Refused as refused:
            self.refused[caller, refused.error.reason] += 1
            return
        rpc = self.chance.choice([*self.seconds])
        start = max(self.now, heapq.heappop(self._free))
        end = start + self.chance.expovariate(1 / self.seconds[rpc])
        heapq.heappush(self._free, end)
        self._count += 1
        heapq.heappush(self._ends, (end, self._count, place, rpc, caller, self.now))

    def _finish(self, until: float) -> None:
        while self._ends and self._ends[0][0] <= until:
            self.now, _, place, rpc, caller, began = heapq.heappop(self._ends)
            place.leave(rpc, learn=True)
            self.took.append(self.now - began)
            self.answered[caller] += 1

    def percentile(self, share: float) -> float:
        return sorted(self.took)[int(share * len(self.took))]
