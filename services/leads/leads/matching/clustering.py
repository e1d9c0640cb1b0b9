"""From pairs to groups, without chains: that A is B and B is C makes one of three only if A and C are alike, too.

Agglomerative, the best pairs first. Two groups become one if the mean score between them reaches the threshold; groups
larger than SPOKESMEN are judged by so many of their members, so that the cost stays linear in the pairs.
"""

from collections.abc import Callable, Mapping
from itertools import product
from statistics import fmean

SPOKESMEN = 6

Pair = tuple[int, int]


def clusters(
    count: int, scored: Mapping[Pair, float], score: Callable[[int, int], float], threshold: float
) -> list[list[int]]:
    """Groups of the numbers below `count`, singles included, each in ascending order. Numbers are ranks by content:
    ties are broken by them, the lowest speak for a group. `score` answers for pairs that are not in `scored`."""
    known = dict(scored)

    def between(one: int, other: int) -> float:
        pair = (one, other) if one < other else (other, one)
        if pair not in known:
            known[pair] = score(*pair)
        return known[pair]

    group_of = [[at] for at in range(count)]
    edges = sorted((-found, pair) for pair, found in scored.items() if found >= threshold)
    for _, (left, right) in edges:
        one, other = group_of[left], group_of[right]
        if one is other:
            continue
        across = product(one[:SPOKESMEN], other[:SPOKESMEN])
        if len(one) == len(other) == 1 or fmean(between(a, b) for a, b in across) >= threshold:
            one.extend(other)
            one.sort()
            for at in other:
                group_of[at] = one
    return list({id(group): group for group in group_of}.values())
