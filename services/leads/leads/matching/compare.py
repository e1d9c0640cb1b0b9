"""How well two prepared values agree: one function per comparator, each symmetric, each a Level and nothing else."""

from collections.abc import Callable, Mapping

from rapidfuzz.distance import JaroWinkler

from leads.matching import vocabulary
from leads.matching.rules import Comparator, Level
from leads.matching.text import is_han, sound, typos
from leads.matching.values import Value

DIFFERENT, PARTLY, CLOSE, SAME = Level  # read a million times: as constants of the module

NICKNAMES: dict[str, set[int]] = {}
for _number, _names in enumerate(vocabulary.NICKNAMES):
    for _name in _names:
        NICKNAMES.setdefault(_name, set()).add(_number)


def compare_word(one: str, other: str) -> Level:
    """Two words of a name."""
    if one == other:
        return SAME
    if one.isdigit() or other.isdigit():
        return DIFFERENT
    shorter = min(len(one), len(other))
    if shorter == 1:
        return PARTLY if one[0] == other[0] else DIFFERENT
    wrong = typos(one, other)
    if wrong <= 2 and ((shorter >= 4 and wrong == 1) or shorter >= 8 or (shorter >= 5 and sound(one) == sound(other))):
        return CLOSE
    if one in NICKNAMES and other in NICKNAMES and NICKNAMES[one] & NICKNAMES[other]:
        return CLOSE
    likeness = JaroWinkler.similarity(one, other) if shorter >= 3 else 0.0
    if shorter >= 5 and likeness >= 0.94:
        return CLOSE
    return PARTLY if likeness >= 0.84 else DIFFERENT


def name(one: Value, other: Value) -> Level:
    """A part of a name, a suburb, a town: spaces do not count."""
    if one.original == other.original or one.key == other.key:
        return _in_one_script(one, other)
    best = compare_word(one.key, other.key)
    return max(best, PARTLY) if set(one.words) & set(other.words) else best


def person(one: Value, other: Value) -> Level:
    """All words alike in any order: SAME or CLOSE. Those of the shorter name in the longer one: PARTLY."""
    if one.key == other.key:
        return _in_one_script(one, other)
    if "".join(one.words) == "".join(other.words):
        return CLOSE
    found = [level for _, _, level in aligned(one.words, other.words)]
    whole = sum(level >= CLOSE for level in found)
    if whole == len(one.words) == len(other.words):
        return CLOSE
    shorter = min(len(one.words), len(other.words))
    return PARTLY if whole and len(found) == shorter > 1 else DIFFERENT


def aligned(one: tuple[str, ...], other: tuple[str, ...]) -> list[tuple[int, int, Level]]:
    """Word beside its best counterpart, each used once; the best pairs first, independent of who is asked first."""
    if set(one) == set(other) and len(set(one)) == len(one) == len(other):
        return [(index, other.index(word), SAME) for index, word in enumerate(one)]
    pairs = [
        (level, JaroWinkler.similarity(left, right), min(left, right), max(left, right), index, position)
        for index, left in enumerate(one)
        for position, right in enumerate(other)
        if (level := compare_word(left, right)) is not DIFFERENT
    ]
    pairs.sort(key=lambda pair: pair[:4], reverse=True)
    lefts, rights, found = set(), set(), []
    for level, _, _, _, index, position in pairs:
        if index not in lefts and position not in rights:
            lefts.add(index)
            rights.add(position)
            found.append((index, position, level))
    return found


WORTH = {SAME: 1.0, CLOSE: 0.9, PARTLY: 0.3}


def overlap(one: Value, other: Value) -> tuple[float, float]:
    """Weighted likeness of two rows of words: of both together (Dice), and of the one that says less (containment)."""
    shared = 0.0
    lefts, rights = list(one.weights), list(other.weights)
    for index, position, level in aligned(one.words, other.words):
        weight = min(lefts[index], rights[position])  # a misspelled trade word is not known as one
        lefts[index] = rights[position] = weight
        shared += WORTH[level] * weight
    ours, theirs = sum(lefts), sum(rights)
    return 2 * shared / (ours + theirs), shared / min(ours, theirs)


def company(one: Value, other: Value) -> Level:
    if one.key == other.key:
        return _in_one_script(one, other)
    if min(len(one.key), len(other.key)) >= 6 and typos(one.key, other.key) <= 1 + (
        min(len(one.key), len(other.key)) >= 12
    ):
        return CLOSE
    both, lesser = overlap(one, other)
    if both >= 0.7:
        return CLOSE
    return PARTLY if lesser >= 0.6 or _initials(one, other) or _initials(other, one) else DIFFERENT


def _initials(short: Value, long: Value) -> bool:
    """`ABB` of `Asea Brown Boveri`."""
    return len(short.words) == 1 and len(long.words) >= 3 and short.key == "".join(word[0] for word in long.words)


def email(one: Value, other: Value) -> Level:
    if one.key == other.key:
        return SAME
    (here, _, domain), (there, _, host) = one.key.partition("@"), other.key.partition("@")
    if domain == host:
        if _mailbox(here) == _mailbox(there) or (min(len(here), len(there)) >= 5 and typos(here, there, 1) <= 1):
            return CLOSE
        return DIFFERENT if domain in vocabulary.FREE_MAIL else PARTLY
    if here == there and len(here) >= 5:
        return CLOSE if typos(domain, host, 1) <= 1 else PARTLY
    return DIFFERENT


def _mailbox(local: str) -> str:
    """Without what may follow a `+`, and without dots: the mailbox that most servers would deliver to."""
    return local.split("+")[0].replace(".", "")


def phone(one: Value, other: Value) -> Level:
    if one.key == other.key:
        return SAME
    ours, theirs = one.key.lstrip("0"), other.key.lstrip("0")
    shorter = min(len(ours), len(theirs))
    if shorter >= 7 and (ours.endswith(theirs) or theirs.endswith(ours)):
        return CLOSE
    return PARTLY if shorter >= 7 and typos(ours, theirs, 1) <= 1 else DIFFERENT


def address(one: Value, other: Value) -> Level:
    """House numbers decide: the same street with another number is PARTLY at most."""
    if one.key == other.key:
        return _in_one_script(one, other)
    ours, theirs = _numbers(one), _numbers(other)
    other_house = bool(ours and theirs) and not ours & theirs
    if other_house and not any(typos(a, b, 1) <= 1 for a in ours for b in theirs):
        return DIFFERENT
    both, lesser = overlap(one, other)
    if other_house:
        return PARTLY if both >= 0.5 else DIFFERENT
    if both >= 0.8 or (ours & theirs and lesser >= 0.9):
        return CLOSE
    return PARTLY if both >= 0.5 else DIFFERENT


def _numbers(value: Value) -> set[str]:
    return {word for word in value.words if word.isdigit()}


def code(one: Value, other: Value) -> Level:
    """A post code or an identifier: one slip is CLOSE, two in a long one PARTLY."""
    if one.key == other.key:
        return SAME
    shorter = min(len(one.key), len(other.key))
    wrong = typos(one.key, other.key)
    if shorter >= 4 and wrong <= 1:
        return CLOSE
    return PARTLY if shorter >= 6 and wrong <= 2 else DIFFERENT


def date(one: Value, other: Value) -> Level:
    """Digits yyyymmdd: one slip, or day and month exchanged, is CLOSE."""
    if one.key == other.key:
        return SAME
    if len(one.key) == len(other.key) == 8 and one.key == other.key[:4] + other.key[6:] + other.key[4:6]:
        return CLOSE
    wrong = typos(one.key, other.key)
    return CLOSE if wrong <= 1 else PARTLY if wrong == 2 else DIFFERENT


def _in_one_script(one: Value, other: Value) -> Level:
    """Equal in Latin letters, which says less of Han: many signs share a sound; one of two may be a transliteration."""
    if one.original == other.original:
        return SAME
    han = is_han(one.original) + is_han(other.original)
    return (SAME, CLOSE, PARTLY)[han]


COMPARATORS: Mapping[Comparator, Callable[[Value, Value], Level]] = {
    Comparator.PERSON: person,
    Comparator.NAME: name,
    Comparator.COMPANY: company,
    Comparator.EMAIL: email,
    Comparator.PHONE: phone,
    Comparator.ADDRESS: address,
    Comparator.CODE: code,
    Comparator.DATE: date,
}
