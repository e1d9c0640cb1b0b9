"""A whole file of records at once: which of them are one."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from random import Random

from leads.matching.blocking import Prepared, candidates
from leads.matching.clustering import clusters
from leads.matching.learning import FEWEST_FIELDS, Pattern, learned, scaled
from leads.matching.rules import MatchRules
from leads.matching.scoring import Commonness, commonness, discount, levels, prepare_record, total

SAMPLE = 20_000  # random pairs: what two unrelated records have in common
LEARNED_FROM = 50_000  # compared pairs: what is learned changes little with more
PASSES = 3


@dataclass(frozen=True, slots=True)
class Profile:
    """Records that say the same in every field, compared once for all of them."""

    prepared: Prepared
    members: list[int]


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Groups of positions whose records are one by the review threshold, singles included; and the rules used."""

    groups: list[list[int]]
    rules: MatchRules
    pairs_compared: int


def find_duplicates(
    records: Sequence[Mapping[str, str]], rules: MatchRules, region: str = "", learn: bool = True
) -> Duplicates:
    """`region` is the country of phone numbers without a country code. With `learn`, the rules' points are
    where learning from these records starts."""
    profiles = _profiles([prepare_record(record, rules, region) for record in records])
    comparison = _Comparison(profiles, rules)
    comparison.compare(range(len(profiles)))
    if learn:
        comparison.learn()
    groups = comparison.clusters()
    for _ in range(PASSES - 1):  # whom a crowd kept apart meets again when the crowd has become a few groups
        heads = [group[0] for group in groups if not comparison.crowded.isdisjoint(group)]
        if len(heads) < 2 or not comparison.compare(heads):
            break
        groups = comparison.clusters()
    return Duplicates(comparison.members(groups), comparison.rules, len(comparison.patterns))


def _profiles(prepared: Sequence[Prepared]) -> list[Profile]:
    """The most frequent first, then in the order of their content: who speaks for a group is its usual spelling."""
    members: defaultdict[tuple[tuple[str, ...], ...], list[int]] = defaultdict(list)
    for at, record in enumerate(prepared):
        members[tuple(value.identity if value else () for value in record)].append(at)
    ranked = sorted(members.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Profile(prepared[ats[0]], ats) for _, ats in ranked]


class _Comparison:
    """Profiles, and the pairs of them that were compared so far."""

    def __init__(self, profiles: Sequence[Profile], rules: MatchRules) -> None:
        self.profiles, self.rules = profiles, rules
        self.patterns: dict[tuple[int, int], Pattern] = {}
        self.crowded: set[int] = set()
        self.common: Commonness = {}
        if len(rules.fields) >= FEWEST_FIELDS:  # in a list of names alone, a frequent name is a frequent duplicate
            carriers = ((at, value.key) for profile in profiles for at, value in enumerate(profile.prepared) if value)
            self.common = commonness(Counter(carriers))

    def compare(self, some: Sequence[int]) -> bool:
        """Compares those of some profiles that share a key; whether any pair is new."""
        found = candidates([self.profiles[at].prepared for at in some], [rule.comparator for rule in self.rules.fields])
        pairs = {(min(some[a], some[b]), max(some[a], some[b])) for a, b in found.pairs}
        new = pairs - self.patterns.keys()
        self.patterns.update((pair, self._pattern(*pair)) for pair in new)
        self.crowded = {some[at] for at in found.crowded}
        return bool(new)

    def learn(self) -> None:
        sizes = [len(profile.members) for profile in self.profiles]
        compared: Counter[Pattern] = Counter()
        every = max(1, len(self.patterns) // LEARNED_FROM)
        for (one, other), pattern in islice(sorted(self.patterns.items()), 0, None, every):
            compared[pattern] += sizes[one] * sizes[other] * every
        for at, size in enumerate(sizes):
            if size > 1:
                compared[self._pattern(at, at)] += size * (size - 1) // 2
        records, random = sum(sizes), Random(len(sizes))
        few = len(sizes) * (len(sizes) - 1) // 2 <= SAMPLE
        drawn = (sorted(random.sample(range(len(sizes)), 2)) for _ in range(SAMPLE))
        unrelated = combinations(range(len(sizes)), 2) if few else drawn
        sample = [self._pattern(one, other) for one, other in unrelated if (one, other) not in self.patterns]
        others = records * (records - 1) / 2 - sum(compared.values())
        self.rules = learned(self.rules, compared, scaled(sample, others))

    def clusters(self) -> list[list[int]]:
        scored = {pair: self._bits(*pair, pattern) for pair, pattern in self.patterns.items()}
        return clusters(len(self.profiles), scored, self._score, self.rules.review)

    def members(self, groups: Sequence[Sequence[int]]) -> list[list[int]]:
        found: list[list[int]] = []
        for group in groups:
            records = sorted(at for one in group for at in self.profiles[one].members)
            if len(group) == 1 and self._score(group[0], group[0]) < self.rules.review:
                found += [[at] for at in records]  # alike, but they say too little to be one
            else:
                found.append(records)
        return found

    def _pattern(self, one: int, other: int) -> Pattern:
        return levels(self.profiles[one].prepared, self.profiles[other].prepared, self.rules)

    def _score(self, one: int, other: int) -> float:
        return self._bits(one, other, self._pattern(one, other))

    def _bits(self, one: int, other: int, pattern: Pattern) -> float:
        bits = total(pattern, self.rules)
        if not self.common or bits < self.rules.review:
            return bits
        left, right = self.profiles[one].prepared, self.profiles[other].prepared
        return bits - sum(
            discount(at, level, left, right, self.common) for at, level in enumerate(pattern) if level is not None
        )
