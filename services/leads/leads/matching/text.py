"""Text made comparable: one spelling per meaning, and a Latin reading beside the original script."""

import re
import unicodedata
from functools import lru_cache

from anyascii import anyascii
from rapidfuzz.distance import OSA

# Where a general transliteration differs from how Bulgarians write their own names (the law of 2009).
BULGARIAN = str.maketrans({"ъ": "a", "щ": "sht", "ь": "y", "х": "h"})
HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
APOSTROPHES = re.compile(r"['’‘`´]")
ABBREVIATION = re.compile(r"\b(\w)\.(?=\s?\w\b)")
WORD = re.compile(r"\w+")
HEARD_ALIKE = str.maketrans("cqxzwbpdj", "kkssvpptg")
HARDLY_HEARD = str.maketrans("", "", "aeiouyh")
CACHED = 20_000  # some megabytes; a process that lives for months keeps no more


@lru_cache(CACHED)
def fold(text: str) -> str:
    """NFKC, without case, space runs made one: equal when a reader of the original script says equal."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@lru_cache(CACHED)
def latin(text: str) -> str:
    """The folded text in the letters a-z, as it would be typed abroad: `Щерева` → `shtereva`, `张` → `zhang`."""
    folded = fold(text)
    return folded if folded.isascii() else anyascii(folded.translate(BULGARIAN)).casefold()


def is_han(text: str) -> bool:
    return HAN.search(text) is not None


@lru_cache(CACHED)
def words(text: str) -> tuple[str, ...]:
    """Latin words; single letters are one word (`N. V.`, `N V` → `nv`), apostrophes part none (`o'neil`)."""
    found: list[str] = []
    letters = ""
    for word in WORD.findall(APOSTROPHES.sub("", latin(text)).replace("_", " ")):
        if len(word) == 1 and word.isalpha():
            letters += word
            continue
        if letters:
            found.append(letters)
            letters = ""
        found.append(word)
    return (*found, letters) if letters else tuple(found)


def digits(text: str) -> str:
    return re.sub(r"\D", "", unicodedata.normalize("NFKC", text))


@lru_cache(CACHED)
def sound(word: str) -> str:
    """The consonants that a misspelling mostly leaves: `philips`, `phillips`, `filipps` → `flps`."""
    heard = word.replace("ph", "f").replace("sch", "s").replace("ck", "k").translate(HEARD_ALIKE)
    kept = heard[:1] + heard[1:].translate(HARDLY_HEARD)
    return "".join(letter for letter, before in zip(kept, " " + kept, strict=False) if letter != before)[:6]


def typos(one: str, other: str, most: int = 2) -> int:
    """Letters to add, drop, change or swap with their neighbour; `most` + 1 stands for more."""
    return OSA.distance(one, other, score_cutoff=most)
