"""Who is meant, without a word that names them: a person as records, ties and keyed hashes, and how a text is rid of
one. Standard library only.

An erasure must find a name in texts, also in a backup that comes back years later, and may not itself keep the name.
So it keeps marks: the length of the name and its HMAC. Every piece of a text that has that length and lies between
the bounds of words is hashed and compared.
"""

import hmac
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

GONE = "(erased)"  # what stands where something was
SHORTEST_NAME = 4  # characters; a shorter one is too likely to be an ordinary word
SHORTEST_CHINESE_NAME = 2
SHORTEST_PHONE = 7  # digits
PHONE = re.compile(r"\+?\d[\d ()./-]{4,30}\d")
ADDRESS = re.compile(r"[\w.+%-]")  # what may go on in front of an e-mail address


class MarkKind(Enum):
    NAME = 1
    EMAIL = 2
    PHONE = 3


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Something a person is recognised by, as a keyed hash of its `length` characters."""

    kind: MarkKind
    length: int
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who is meant. `records` are names of records; `references` other ids that records refer to them by; `ties` ids
    of what they have to do with; `retained` records that stay as they are."""

    records: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    ties: list[str] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    retained: list[str] = field(default_factory=list)

    def joined(self, other: "Person") -> "Person":
        """What both know, each thing once, in the order in which it became known."""
        return Person(
            records=list(dict.fromkeys([*self.records, *other.records])),
            references=list(dict.fromkeys([*self.references, *other.references])),
            ties=list(dict.fromkeys([*self.ties, *other.ties])),
            marks=list(dict.fromkeys([*self.marks, *other.marks])),
            retained=list(dict.fromkeys([*self.retained, *other.retained])),
        )


def fold(text: str) -> str:
    """Text as it is compared: NFC, lower case, character by character, so that places stay where they are."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(low if len(low := one.lower()) == 1 else one for one in composed)


def address(email: str) -> str:
    """An e-mail address as it is compared."""
    return fold(email.strip())


def keyed_hash(key: bytes, kind: MarkKind, text: str) -> bytes:
    """HMAC-SHA-256 of a folded text. Without the key nobody can try names out."""
    return hmac.digest(key, f"{kind.name}\n{text}".encode(), "sha256")


def mark(key: bytes, kind: MarkKind, text: str) -> Mark | None:
    """The mark of a name, an address or a phone number; None for what is too short to be recognised by."""
    plain = re.sub(r"\D", "", text) if kind is MarkKind.PHONE else fold(text.strip())
    chinese = any(_ideograph(one) for one in plain)
    shortest = {
        MarkKind.NAME: SHORTEST_CHINESE_NAME if chinese else SHORTEST_NAME,
        MarkKind.EMAIL: 3,
        MarkKind.PHONE: SHORTEST_PHONE,
    }
    if len(plain) < shortest[kind] or plain == GONE:
        return None
    return Mark(kind=kind, length=len(plain), digest=keyed_hash(key, kind, plain))


class Recogniser:
    """Finds a person's marks in texts."""

    def __init__(self, key: bytes, marks: Iterable[Mark]) -> None:
        self._key = key
        self._lengths: dict[MarkKind, list[int]] = {}
        self._known: dict[MarkKind, set[bytes]] = {kind: set() for kind in MarkKind}
        for one in marks:
            self._known[one.kind].add(one.digest)
            self._lengths.setdefault(one.kind, []).append(one.length)
        self._lengths = {kind: sorted(set(found), reverse=True) for kind, found in self._lengths.items()}

    def is_one(self, text: str) -> bool:
        """Whether the whole text is one of the marks."""
        plain = fold(text.strip())
        digits = re.sub(r"\D", "", plain)
        return (
            self._knows(MarkKind.NAME, plain)
            or self._knows(MarkKind.EMAIL, plain)
            or (len(digits) >= SHORTEST_PHONE and self._knows(MarkKind.PHONE, digits))
        )

    def without(self, text: str) -> str:
        """The text with every mark replaced; the same object if it holds none."""
        if not self._lengths or len(text) < 2:
            return text
        composed = unicodedata.normalize("NFC", text)
        places = sorted({*self._windows(fold(composed)), *self._phones(composed)})
        if not places:
            return text
        parts, end = [], 0
        for start, stop in places:
            if start >= end:
                parts += [composed[end:start], GONE]
            end = max(end, stop)
        return "".join([*parts, composed[end:]])

    def _windows(self, plain: str) -> Iterator[tuple[int, int]]:
        bounds = [place for place in range(len(plain) + 1) if _bound(plain, place)]
        known = set(bounds)
        for kind in (MarkKind.NAME, MarkKind.EMAIL):
            if kind is MarkKind.EMAIL and "@" not in plain:
                continue
            for length in self._lengths.get(kind, ()):
                for start in bounds:
                    stop = start + length
                    if stop in known and self._fits(kind, plain, start, stop):
                        yield start, stop

    def _fits(self, kind: MarkKind, plain: str, start: int, stop: int) -> bool:
        piece = plain[start:stop]
        if kind is MarkKind.EMAIL and ("@" not in piece or (start and ADDRESS.match(plain[start - 1]))):
            return False
        return self._knows(kind, piece)

    def _phones(self, text: str) -> Iterator[tuple[int, int]]:
        if MarkKind.PHONE in self._lengths:
            for found in PHONE.finditer(text):
                if self._knows(MarkKind.PHONE, re.sub(r"\D", "", found[0])):
                    yield found.span()

    def _knows(self, kind: MarkKind, plain: str) -> bool:
        return len(plain) in self._lengths.get(kind, ()) and keyed_hash(self._key, kind, plain) in self._known[kind]


def _bound(plain: str, place: int) -> bool:
    """Whether a word may begin or end here. Chinese and Japanese write words without a gap between them."""
    if place in (0, len(plain)):
        return True
    before, after = plain[place - 1], plain[place]
    if not (_in_word(before) and _in_word(after)):
        return True
    return _ideograph(before) or _ideograph(after)


def _in_word(one: str) -> bool:
    return one.isalnum() or one == "_" or unicodedata.combining(one) != 0


def _ideograph(one: str) -> bool:
    return (
        "\u3040" <= one <= "\u30ff" or "\u3400" <= one <= "\u9fff" or "\uf900" <= one <= "\ufaff" or one >= "\U00020000"
    )


def is_name(text: str) -> bool:
    """Whether a text is the name of a resource, `users/ana`: what refers is never replaced."""
    return bool(re.fullmatch(r"[a-z][A-Za-z]*/[A-Za-z0-9_-]+", text))


def names_of(texts: Sequence[str], collection: str) -> list[str]:
    """The ids of those names that are in a collection."""
    return [text.partition("/")[2] for text in texts if text.startswith(f"{collection}/")]
