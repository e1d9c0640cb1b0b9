"""Counts by size, in the text format that Prometheus reads."""

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """How many values were at most each bound; `bounds` rise, in the unit of the values."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def text(self, name: str, label: str = "") -> list[str]:
        """Its lines, without the type; `label` such as `class="read"`."""
        lines, total, also = [], 0, f"{label}," if label else ""
        for bound, number in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            total += number
            lines.append(f'{name}_bucket{{{also}le="{bound}"}} {total}')
        of = f"{{{label}}}" if label else ""
        return [*lines, f"{name}_sum{of} {self.sum:.6f}", f"{name}_count{of} {total}"]
