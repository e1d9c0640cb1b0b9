"""Which records are worth comparing: those that share a key. A key that many share is joined with another one."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from leads.matching.rules import Comparator
from leads.matching.text import sound
from leads.matching.values import Value

TELLING_BLOCK = 7  # what so few share says enough; a larger block is divided by the keys of another field, and again
LARGEST_BLOCK = 40  # 780 pairs; where nothing divides a larger one, only neighbours are compared
WINDOW = 25  # neighbours in a block that nothing divides

Prepared = Sequence[Value | None]


def keys(comparator: Comparator, value: Value) -> list[str]:
    """What two values have in common if they are likely one, although one of them is misspelled."""
    if comparator is Comparator.PHONE:
        return [value.key[-7:]]
    if comparator is Comparator.EMAIL:
        return [value.key, value.key.partition("@")[0]]
    if comparator is Comparator.PERSON:
        sounds = sorted(sound(word) for word in value.words)
        return [" ".join(pair) for pair in combinations(sounds, 2)][:6] or sounds
    if comparator is Comparator.COMPANY:
        telling = [word for word, weight in zip(value.words, value.weights, strict=True) if weight == 1.0]
        return list(dict.fromkeys([sound(value.key), *(sound(word) for word in telling[:4])]))
    if comparator is Comparator.ADDRESS:
        telling = [word for word, weight in zip(value.words, value.weights, strict=True) if weight == 1.0]
        numbers = [word for word in telling if word.isdigit()][:2]
        streets = [sound(word) for word in telling if len(word) > 1 and not word.isdigit()][:2]
        return [f"{number} {street}" for number in numbers for street in streets] or streets[:1]
    if comparator is Comparator.NAME:
        return [sound(value.key)]
    return [value.key]


@dataclass(slots=True)
class Candidates:
    """Pairs of positions, the smaller first; and who stood in a block that was too large to compare all in it."""

    pairs: set[tuple[int, int]] = field(default_factory=set)
    crowded: set[int] = field(default_factory=set)


def candidates(records: Sequence[Prepared], comparators: Sequence[Comparator]) -> Candidates:
    of_record = [
        [(field, key) for field, value in enumerate(record) if value for key in keys(comparators[field], value)]
        for record in records
    ]
    found = Candidates()
    blocks = _blocks((at, key) for at, mine in enumerate(of_record) for key in mine)
    while blocks:
        key, members = blocks.pop()
        if len(members) <= TELLING_BLOCK:
            found.pairs.update(combinations(members, 2))
        elif divided := _blocks((at, other) for at in members for other in of_record[at] if other[0] > key[0]):
            blocks += divided
        elif len(members) <= LARGEST_BLOCK:
            found.pairs.update(combinations(members, 2))
        else:
            found.crowded.update(members)
            found.pairs.update(_neighbours(members, records))
    return found


def _blocks(keyed: Iterable[tuple[int, tuple[int, str]]]) -> list[tuple[tuple[int, str], list[int]]]:
    blocks: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
    for at, key in keyed:
        members = blocks[key]
        if not members or members[-1] != at:
            members.append(at)
    return [(key, members) for key, members in blocks.items() if len(members) > 1]


def _neighbours(members: list[int], records: Sequence[Prepared]) -> Iterable[tuple[int, int]]:
    ordered = sorted(members, key=lambda at: [value.key if value else "" for value in records[at]])
    for position, one in enumerate(ordered):
        for other in ordered[position + 1 : position + WINDOW]:
            yield (one, other) if one < other else (other, one)
