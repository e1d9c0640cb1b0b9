"""A field's value prepared once for many comparisons."""

import re
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import OSA
from rapidfuzz.process import extractOne

from leads.matching import vocabulary
from leads.matching.rules import Comparator
from leads.matching.text import CACHED, digits, fold, is_han, words

PLACE_WEIGHT, TRADE_WEIGHT = 0.05, 0.25
LONG_TRADE_WORDS = [word for word in vocabulary.TRADE_WORDS if len(word) >= 8]


@dataclass(frozen=True, slots=True)
class Value:
    """`original` in its script, `key` for equality and blocking, `words` with one weight each."""

    original: str
    key: str
    words: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    @property
    def identity(self) -> tuple[str, ...]:
        """Equal for two values that compare alike with everything."""
        return (self.original if is_han(self.original) else "", self.key, *self.words)


@lru_cache(CACHED)
def prepare(comparator: Comparator, text: str, region: str = "") -> Value | None:
    """None if nothing is left of the text that could be compared."""
    text = text.strip()
    if not text:
        return None
    if comparator is Comparator.PHONE:
        value = phone(text, region)
    elif comparator is Comparator.COMPANY:
        value = company(text)
    elif comparator is Comparator.ADDRESS:
        value = address(text)
    elif comparator is Comparator.PERSON:
        value = person(text)
    elif comparator is Comparator.EMAIL:
        value = Value(fold(text), fold(text).replace(" ", ""))
    elif comparator is Comparator.DATE:
        value = Value(fold(text), digits(text))
    else:
        value = Value(fold(text), "".join(words(text)), words(text))
    return value if value.key else None


def phone(text: str, region: str) -> Value:
    """E.164 where number and region allow it, bare digits otherwise; `key` has no `+`."""
    if E164.fullmatch(text):
        return Value(text, text[1:])
    import phonenumbers  # loads tables of all countries: only who reads numbers pays for them

    try:
        number = phonenumbers.parse(text, region or None)
        if phonenumbers.is_possible_number(number):
            spelled = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            return Value(spelled, spelled[1:])
    except phonenumbers.NumberParseException:
        pass
    bare = digits(text)
    return Value(bare, bare if len(bare) >= 5 else "")


def person(text: str) -> Value:
    """The key has the words in alphabetical order: `Li Wei` is `Wei Li`. A Han name is surname, then given name."""
    folded = fold(text)
    if is_han(folded):
        bare = folded.replace(" ", "").replace("·", "")
        cut = 2 if bare[:2] in vocabulary.TWO_SIGN_SURNAMES else 1
        parts = tuple("".join(words(part)) for part in (bare[:cut], bare[cut:]) if part)
    else:
        parts = words(folded)
    return Value(folded, " ".join(sorted(parts)), parts, tuple(1.0 for _ in parts))


def company(text: str) -> Value:
    """Without legal form; what follows the form is most likely a place (`Acme N.V., Utrecht`, `N.V. Acme, Utrecht`)."""
    folded = fold(text)
    for form in vocabulary.HAN_FORMS:
        if is_han(folded) and form in folded:
            folded = folded.replace(form, " ")
    weighed: list[tuple[str, float]] = []
    form_before, in_place = False, False
    for part in folded.split(","):
        in_place = in_place or form_before
        for word in words(part):
            if word in vocabulary.LEGAL_FORMS:
                form_before = True
                in_place = in_place or bool(weighed)
            elif in_place:
                weighed.append((word, PLACE_WEIGHT))
            else:
                weighed.append((word, TRADE_WEIGHT if says_little(word) else 1.0))
    if not any(weight > PLACE_WEIGHT for _, weight in weighed):  # `The Company Ltd`: then its words are all it has
        weighed = [(word, 1.0) for word in words(folded)]
    named = "".join(word for word, weight in weighed if weight > PLACE_WEIGHT)
    return Value(folded.strip(), named, tuple(word for word, _ in weighed), tuple(weight for _, weight in weighed))


@lru_cache(CACHED)
def says_little(word: str) -> bool:
    """A trade word, also with a letter wrong if it is long, or a compound that ends in one."""
    if len(word) == 1 or word in vocabulary.TRADE_WORDS or word.endswith(vocabulary.TRADE_ENDINGS):
        return True
    return len(word) >= 8 and extractOne(word, LONG_TRADE_WORDS, scorer=OSA.distance, score_cutoff=1) is not None


E164 = re.compile(r"\+[1-9]\d{6,14}")
ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")


def address(text: str) -> Value:
    """House numbers and street words in one spelling (`51st` is `51`); the kind of street counts for little."""
    spelled = (ORDINAL.sub(r"\1", word) for word in words(_apart(fold(text))))
    found = tuple(vocabulary.STREET_WORDS.get(word, word) for word in spelled)
    weights = tuple(TRADE_WEIGHT if word in vocabulary.STREET_KINDS else 1.0 for word in found)
    return Value(fold(text), " ".join(sorted(found)), found, weights)


def _apart(text: str) -> str:
    """Numbers and letters that stand together are two words (`12b`, `s.dearborn`), ordinals (`58th`) stay one."""
    return re.sub(r"(?<=\d)(?=[^\W\d_])(?!(?:st|nd|rd|th)\b)", " ", text.replace(".", " "))
