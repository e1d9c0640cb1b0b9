"""The score of a lead: beside it, never in it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import ClassVar

from chassis.errors import InvalidFields
from chassis.values import Record

from leads.domain.lead import Lead
from leads.domain.lead_facts import facts, first_facts, times
from leads.domain.score_settings import ScoreSettings
from leads.domain.state import LIVE
from leads.scoring.model import Model
from leads.scoring.rules import RuleScore, rule_score

LONGEST_OVERRIDE = timedelta(days=366)
LOWEST, HIGHEST = 0.01, 99.99  # an open lead is neither lost nor won


@dataclass(frozen=True, kw_only=True)
class RulePoints:
    rule: str
    points: float


@dataclass(frozen=True)
class Scorer:
    """By what leads are scored at the moment."""

    settings: ScoreSettings
    zone: tzinfo
    champion: str = ""
    champion_model: Model | None = None
    challenger: str = ""
    challenger_model: Model | None = None

    @property
    def scores(self) -> bool:
        """Whether there is anything by which a lead would have a score."""
        return bool(self.settings.rules) or bool(self.champion)

    def points(self, lead: Lead, now: datetime) -> RuleScore:
        """0 to 100, and which rule gave how many."""
        found = rule_score(self.settings.rules, facts(lead, self.zone), times(lead), now)
        return RuleScore(min(max(found.points, 0), 100), found.parts)

    def probabilities(self, lead: Lead) -> tuple[float, float]:
        """The champion's and the challenger's; 0 where there is none."""
        record = first_facts(lead, self.zone)
        champion, challenger = (
            model.probability(record, lead.team) if model else 0.0
            for model in (self.champion_model, self.challenger_model)
        )
        return champion, challenger

    def score(self, lead: Lead, now: datetime) -> float | None:
        """What a lead would have now, were it scored and not overridden; None if nothing scores."""
        if not self.scores:
            return None
        score = LeadScore.of(lead)
        score.follow(lead, self, now)
        return score.score


def bounded(score: float) -> float:
    return round(min(max(score, LOWEST), HIGHEST), 2)


def is_scored(lead: Lead) -> bool:
    """Whether its score follows it still."""
    return lead.state in LIVE and lead.archive_time is None


@dataclass(kw_only=True)
class LeadScore(Record):
    """Has the id of its lead."""

    collection: ClassVar[str] = "leadScores"

    lead: str
    owner: str = ""
    team: str = ""
    live: bool = True
    score: float = 0.0
    band: str = ""
    points: int = 0
    parts: list[RulePoints] = field(default_factory=list)
    settings_etag: str = ""
    override_score: float = 0.0
    override_expire_time: datetime | None = None
    probability: float = 0.0
    scoring_model: str = ""
    challenger_probability: float = 0.0
    challenger: str = ""

    @staticmethod
    def of(lead: Lead) -> "LeadScore":
        """A score still to be given."""
        return LeadScore(id=lead.id, lead=lead.name)

    def follow(self, lead: Lead, scorer: Scorer, now: datetime) -> "LeadScored | None":
        """Scores the lead anew; of a closed one only notes whose it is, and that it is closed. The event if it went
        into another band."""
        self.owner, self.team, self.live = lead.owner, lead.team, is_scored(lead)
        if not self.live and self.band:
            return None
        found = scorer.points(lead, now)
        self.points = found.points
        self.parts = [RulePoints(rule=rule, points=round(worth, 2)) for rule, worth in sorted(found.parts.items())]
        self.settings_etag = str(scorer.settings.version)
        self.probability, self.challenger_probability = scorer.probabilities(lead)
        self.scoring_model, self.challenger = scorer.champion, scorer.challenger
        return self._place(scorer.settings, now)

    def override(self, score: float, until: datetime | None, now: datetime) -> None:
        """To hold from the next `follow` on. Without `until` the override ends."""
        if until is not None and not now < until <= now + LONGEST_OVERRIDE:
            raise InvalidFields(("expire_time", "must lie ahead, at most a year"))
        self.override_score, self.override_expire_time = score if until else 0.0, until

    def _place(self, settings: ScoreSettings, now: datetime) -> "LeadScored | None":
        if self.override_expire_time and self.override_expire_time <= now:
            self.override_score, self.override_expire_time = 0.0, None
        found = 100 * self.probability if self.scoring_model else self.points
        self.score = bounded(self.override_score if self.override_expire_time else found)
        before, self.band = self.band, settings.band_of(self.score)
        if self.band == (before or settings.bands[-1].band):
            return None  # that a lead came into the lowest band is no news
        return LeadScored(lead_score=self, previous_band=before, event_time=now)


@dataclass(frozen=True, kw_only=True)
class LeadScored:
    lead_score: LeadScore
    previous_band: str
    event_time: datetime
