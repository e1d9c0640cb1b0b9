"""By which rules leads are compared: the usual ones, or the company's own."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from chassis.errors import InvalidFields
from chassis.values import Record

from leads.matching.rules import Comparator, FieldRule, MatchRules

COMPARATORS = {
    "display_name": Comparator.PERSON,
    "company": Comparator.COMPANY,
    "email": Comparator.EMAIL,
    "phone": Comparator.PHONE,
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What each agreement of a field is worth, in bits."""

    field: str
    different: float = 0
    partly: float = 0
    close: float = 0
    same: float = 0

    @property
    def points(self) -> tuple[float, float, float, float]:
        return self.different, self.partly, self.close, self.same


# Two leads of a company are the same one time in 256; then an address or a number in common outweighs another name (a
# couple, a switchboard: a person looks), and a name alone is too little.
USUAL = (
    Comparison(field="display_name", different=-5, partly=1, close=5, same=7),
    Comparison(field="company", different=-5, partly=0, close=5, same=6),
    Comparison(field="email", different=-2, partly=2, close=8, same=14),
    Comparison(field="phone", different=-2, partly=2, close=9, same=13),
)


@dataclass(kw_only=True)
class MatchSettings(Record):
    """The company's rules. There is one of these."""

    collection: ClassVar[str] = "matchSettings"
    ID: ClassVar[str] = "settings"

    id: str = ID
    comparisons: list[Comparison] = field(default_factory=lambda: list(USUAL))
    prior: float = -8.0
    review: float = 0.0
    certain: float = 10.0

    def check(self) -> None:
        """InvalidFields for rules by which a better agreement would speak against a pair, or nothing could be found."""
        names = [one.field for one in self.comparisons]
        if not names or len(names) != len(set(names)):
            raise InvalidFields(("match_settings.comparisons", "name at least one field, and each once"))
        for one in self.comparisons:
            if list(one.points) != sorted(one.points):
                raise InvalidFields(("match_settings.comparisons", f"{one.field}: a better agreement is worth no less"))
        if self.certain < self.review:
            raise InvalidFields(("match_settings.certain", "is less than review"))

    @property
    def rules(self) -> MatchRules:
        fields = tuple(
            FieldRule(field=one.field, comparator=COMPARATORS[one.field], points=one.points) for one in self.comparisons
        )
        return MatchRules(fields=fields, prior=self.prior, review=self.review, auto=self.certain)


LEAD_RULES = MatchSettings().rules


@dataclass(frozen=True, kw_only=True)
class MatchSettingsUpdated:
    match_settings: MatchSettings
    fields: list[str]
    event_time: datetime
